"""SciPy calls LAPACK on tiny matrices: idle BLAS threads would spin next to the work. NumPy reads this once."""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
