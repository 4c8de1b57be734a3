"""The paper's own problem: joint model selection and pulling (Zhou et al., TPDS 2025)."""
