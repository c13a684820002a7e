# Everything a person runs. The environment is set up on first use, outside the checkout (demo/environment.py).
ENVIRONMENT = set -e; found="$$(python3 demo/environment.py $(BROWSER))"; eval "$$found"; export COMFYUI_PATH;

.PHONY: demo serve evaluate evaluate-bench test test-quick test-pages lint env train bench reuse beyond search gpu fidelity

demo: ## sample the demo pair at five lambdas into demo/output/
	@$(ENVIRONMENT) "$$PYTHON" demo/run.py

serve: ## leave that ComfyUI up at http://127.0.0.1:8188
	@$(ENVIRONMENT) "$$PYTHON" demo/serve.py

evaluate: ## the demo pair over 24 captions, 6 lambdas and 2 seeds on two CPU workers, into demo/output/evaluate/ (ten minutes; resumable)
	@$(ENVIRONMENT) "$$PYTHON" demo/run_evaluate.py

WORKERS = 2
test test-pages: BROWSER = --browser
test: ## the suite against the real ComfyUI and a Chromium, which is installed if there is none
	@$(ENVIRONMENT) export CHROMIUM FRONTEND; OMP_NUM_THREADS=1 "$$PYTHON" -m pytest -n $(WORKERS) -m "not again"

test-pages: ## every gesture in both front ends and in both of their renderers; `make test` leaves half of them out
	@$(ENVIRONMENT) export CHROMIUM FRONTEND; OMP_NUM_THREADS=1 "$$PYTHON" -m pytest -n $(WORKERS) tests/browser

QUICK = tests/method tests/nodes/test_contract.py tests/pack/test_rings.py tests/engine/test_first_step.py tests/engine/test_guidance.py
NOT_QUICK = --ignore=tests/method/test_mixture_truth.py --ignore=tests/method/test_gaussian_truth.py -k 'not whatever_the_text'

test-quick: ## in under two minutes: the method, the public contract, the rings, a thin slice of the engine
	@$(ENVIRONMENT) "$$PYTHON" -m pytest $(QUICK) $(NOT_QUICK)

lint: ## ruff and the type checker
	@$(ENVIRONMENT) "$$PYTHON" -m ruff check . && "$$PYTHON" -m ruff format --check . && MYPYPATH="$$COMFYUI_PATH" "$$PYTHON" -m mypy

env: ## print PYTHON=... and COMFYUI_PATH=...
	@python3 demo/environment.py

train: ## train the demo's models again (an hour of one CPU core; resumable; into demo/weights/)
	@$(ENVIRONMENT) cd demo/training; for part in autoencoder reference aligned judge time_predictor; do "$$PYTHON" train_$$part.py --work "$${WORK:-work}"; done

bench: ## measure what realigning costs (an hour and a half; on one thread, so that other programs disturb it least)
	@$(ENVIRONMENT) PYTHONPATH=tests:demo; OMP_NUM_THREADS="$${OMP_NUM_THREADS:-1}"; export PYTHONPATH OMP_NUM_THREADS; for part in error cost sweep find; do "$$PYTHON" benchmarks/$$part.py; done

reuse: ## see whether reuse keeps its promise on three trained pairs (an hour and a half, resumable; into benchmarks/reuse.md)
	@$(ENVIRONMENT) OMP_NUM_THREADS=1 PYTHONPATH=tests:demo/training:demo:benchmarks:benchmarks/fidelity "$$PYTHON" benchmarks/reuse.py --work "$${WORK:-benchmarks/fidelity/work}"

beyond: ## what keeps images usable beyond lambda 1, on two trained pairs (an hour and a half; resumable; into benchmarks/beyond.md)
	@$(ENVIRONMENT) OMP_NUM_THREADS=1 PYTHONPATH=tests:demo/training:demo:benchmarks:benchmarks/fidelity "$$PYTHON" benchmarks/beyond.py --work "$${WORK:-benchmarks/fidelity/work}"

search: ## how good the search for lambda is, on real scores and simulated curves (half an hour, resumable; into benchmarks/search.md)
	@$(ENVIRONMENT) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests "$$PYTHON" benchmarks/search.py

evaluate-bench: ## what dispatching costs, how it scales, and whether kills lose anything (an hour and a half; resumable by part; into benchmarks/evaluate.md)
	@$(ENVIRONMENT) "$$PYTHON" benchmarks/evaluate.py

gpu: ## on a machine with CUDA: what is promised there, in every mode of memory, and what realigning costs (into benchmarks/gpu.md)
	@$(ENVIRONMENT) PYTHONPATH=tests:demo "$$PYTHON" benchmarks/gpu.py

fidelity: ## train at many betas and compare with lambda (an hour and a half; resumable; into benchmarks/)
	@$(ENVIRONMENT) OMP_NUM_THREADS=1 PYTHONPATH=tests:demo/training "$$PYTHON" benchmarks/fidelity/run.py --work "$${WORK:-benchmarks/fidelity/work}"
