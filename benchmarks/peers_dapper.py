"""One measurement with DAPPER, in its own Python: reads a case as JSON, prints the result as JSON.

Timed is `assimilate`: model, analysis and DAPPER's own statistics of each cycle; not the truth and
the observations, which DAPPER makes beforehand.
"""

import json
import sys
import time

import dapper as dpr
import dapper.da_methods as methods
import dapper.mods as modelling
import dapper.tools.progressbar
import numpy as np
from dapper.mods.Lorenz96 import dstep_dx, step, x0
from dapper.tools.localization import nd_Id_localization


def main() -> None:
    """Measure the case on the command line."""
    case = json.loads(sys.argv[1])
    dapper.tools.progressbar.disable_progbar = True
    dpr.set_seed(case["seed"])
    points, cycles = case["points"], case["cycles"]
    batch = 2  # points that share their local observations, as in DAPPER's own Lorenz-96 settings
    observations = modelling.Operator(
        **modelling.partial_Id_Obs(points, np.arange(points)),
        noise=1,
        localizer=nd_Id_localization((points,), (batch,)),
    )
    model = modelling.HiddenMarkovModel(
        modelling.Operator(M=points, model=step, linear=dstep_dx, noise=0),
        observations,
        modelling.Chronology(0.05, dko=case["steps"], Ko=cycles - 1, BurnIn=0),
        modelling.GaussRV(mu=x0(points), C=0.001),
    )
    truth, observed = model.simulate()
    filter_ = getattr(methods, case["method"])(**case["settings"])
    begun = time.process_time()
    filter_.assimilate(model, truth, observed, liveplots=False)
    spent = time.process_time() - begun
    filter_.stats.average_in_time()
    local = 0
    if "loc_rad" in case["settings"]:
        _, taper = model.Obs(0).localizer(case["settings"]["loc_rad"], "x2y", "GC")
        local = len(taper(np.arange(batch))[0])
    rmse = float(filter_.avrgs.err.rms.a.val)
    json.dump({"ms": 1000 * spent / cycles, "rmse": rmse, "local": local}, sys.stdout)


if __name__ == "__main__":
    main()
