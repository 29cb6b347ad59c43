"""How stable AIC and SIC are: does the metric put the truth first and chance last, and does it do so again?

    python -m benchmarks.stability collect --data phantoms --model builtin --out stability/phantoms
    python -m benchmarks.stability collect --data brain-cheng --transpose --mask-role lesion --model brain \\
        --out stability/brain-cheng
    python -m benchmarks.stability page stability/phantoms stability/brain-cheng

`collect` explains the images, rebuilds them from every map and random mask, and keeps the raw information and the raw
predictions of every rebuilt image; `page` makes curves of them under every convention and writes
`docs/studies/stability.md` with its figures and `benchmarks/results/stability.json`. The arithmetic of the curves is
`xaijax.metrics.pic_curve`, which the tests hold against the PAIR package and the medical study's script.
"""
