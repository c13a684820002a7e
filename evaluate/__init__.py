"""A workflow over prompts x seeds x lambdas on every GPU there is, by Ray and real ComfyUI processes.
A folder of the repository, not of the published pack. Imported as deradiff.evaluate.
"""
