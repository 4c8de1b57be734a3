"""Bandit policies. All maximise reward; ties go to the lowest arm; the seed fixes every draw."""
