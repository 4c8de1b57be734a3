"""The problem beyond the paper: a cloudlet's memory and GPU time are shared, a block is pulled once per cloudlet."""
