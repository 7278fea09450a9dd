"""Run the quality role: assess analyses, fold their scores, calibrate them, ask for remedies."""
