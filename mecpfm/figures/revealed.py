"""Which features a restricted policy looks at, round by round: a learner concentrates, a random subset does not."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from mecpfm.figures.style import figure


def draw(frame: pd.DataFrame) -> go.Figure:
    """Columns: block (last round of the block), feature, share of the block's rounds in which it was revealed."""
    table = frame.pivot(index="feature", columns="block", values="share")
    drawn = figure("TSRC learns where to look: feature 0 alone says which arm is good", "round", "feature", height=380)
    drawn.add_trace(
        go.Heatmap(
            x=table.columns,
            y=table.index,
            z=table.to_numpy(),
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            colorbar={"title": {"text": "share of rounds<br>revealed"}},
        )
    )
    drawn.update_yaxes(dtick=1, autorange="reversed")
    return drawn
