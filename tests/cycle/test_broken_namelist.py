"""Each mistake in a namelist is answered by one clear line, from one rank, and nothing else."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHORT = "&cycle cycles = 6, burn_in = 2 /\n"

SYNTAX = {
    "unknown group": (
        SHORT + "&localization radius = 3.0 /",
        "line 2: &localization known: cycle,",
    ),
    "unknown key": ("&lorenz96 forcng = 8.0 /", "line 1: &lorenz96 forcng known: n, forcing, dt"),
    "key of another group": ("&cycle members = 5 /", "&cycle members known: title,"),
    "no slash at the end": ("&cycle\n   cycles = 6\n", "line 1: &cycle not ended by '/'"),
    "no slash before a group": (
        "&cycle\n cycles = 6\n&lorenz96 n = 8 /",
        "line 3: &lorenz96 begins before the '/' that ends &cycle (line 1)",
    ),
    "unclosed string": ("&cycle\n title = 'abc\n/\n", "line 2: string is not closed by '"),
    "value outside groups": (SHORT + "n = 8\n", "line 2: 'n' outside a group &name"),
    "a group twice": (SHORT + SHORT, "line 2: &cycle second time line 1"),
    "a key twice": ("&lorenz96 n = 8\n n = 9 /", "line 2: &lorenz96 n second time line 1"),
    "no value": ("&cycle cycles = /", "line 1: &cycle cycles empty value"),
    "no value before the next": ("&cycle cycles = , burn_in = 2 /", "&cycle cycles empty value"),
    "no equals sign": ("&cycle cycles 6 /", "line 1: &cycle 'cycles' 'key = value'"),
    "an element alone": ("&observations positions(2) = 3.0 /", "positions(2) in one list"),
    "a nameless group": ("& n = 8 /", "line 1: name of a group"),
    "another language": ('{"cycle": {"cycles": 6}}', "line 1: '{' outside a group &name"),
    "bytes": (bytes(range(256)) * 8, "not a text file namelist"),
    "UTF-16": (SHORT.encode("utf-16"), "not a text file namelist"),
}

VALUES = {
    "text for an integer": ("&cycle cycles = 'many' /", "&cycle cycles 'many' integer"),
    "fraction for an integer": ("&cycle cycles = 6.5 /", "&cycle cycles 6.5 integer"),
    "integer too large": ("&cycle cycles = 99999999999 /", "&cycle cycles 99999999999 integer"),
    "word for a number": ("&lorenz96 forcing = eight /", "&lorenz96 forcing eight number"),
    "text for a number": ("&lorenz96 forcing = '8.0' /", "&lorenz96 forcing '8.0' number"),
    "NaN for a number": ("&lorenz96 forcing = nan /", "&lorenz96 forcing nan number"),
    "number for a logical": ("&letkf rotation = 1 /", "&letkf rotation 1 .true. or .false."),
    "text for a logical": ("&letkf rotation = 'yes' /", "&letkf rotation 'yes' .true. or .false."),
    "no quotes": ("&cycle analysis = letkf /", "&cycle analysis in quotes 'letkf'"),
    "two values for one": ("&lorenz96 n = 8 9 /", "&lorenz96 n 2 values: one"),
    "too few points": ("&lorenz96 n = 3 /", "&lorenz96 n = 3 at least 4"),
    "no time step": ("&lorenz96 dt = 0.0 /", "&lorenz96 dt = 0.0 above 0.0"),
    "negative time step": ("&lorenz96 dt = -0.05 /", "&lorenz96 dt = -0.05 above 0.0"),
    "no cycle": ("&cycle cycles = 0 /", "&cycle cycles = 0 at least 1"),
    "negative seed": ("&cycle seed = -1 /", "&cycle seed = -1 at least 0"),
    "no member": ("&ensemble members = 0 /", "&ensemble members = 0 at least 1"),
    "no inflation factor": ("&inflation prior = 0.0 /", "&inflation prior = 0.0 above 0.0"),
    "no radius": ("&localisation radius = 0.0 /", "&localisation radius = 0.0 above 0.0"),
    "no weights": ("&letkf weights_every = 0 /", "&letkf weights_every = 0 at least 1"),
    "negative wish": (
        "&letkf effective_observations = -1.0 /",
        "&letkf effective_observations = -1.0 at least 0",
    ),
    "no observation error": ("&observations error_sd = 0.0 /", "&observations error_sd above 0.0"),
    "a bias that is known": (
        "&observation_bias estimate = .true., first_sd = 0.0 /",
        "&observation_bias first_sd = 0.0 above 0.0",
    ),
    "unknown scope": (
        "&cycle model = 'lorenz96_forced' / &parameters scope = 'all' /",
        "&parameters scope 'all' known: global, local",
    ),
    "unknown adaptive inflation": (
        "&adaptive_inflation scheme = 'anderson' /",
        "&adaptive_inflation scheme 'anderson' known: none, miyoshi2011",
    ),
    "unknown forcings": (
        "&cycle analysis = 'var4d' / &weak_constraint forcings = 'step' /",
        "&weak_constraint forcings 'step' known: none, cycle, constant",
    ),
    "a memory that grows": (
        "&cycle analysis = 'var4d' / &weak_constraint forcings = 'cycle', memory = 1.1 /",
        "&weak_constraint memory = 1.1 at most 1",
    ),
    "negative lag": ("&smoother lag = -1 /", "&smoother lag = -1 at least 0"),
    "negative model error": ("&model_error sd = -1.0 /", "&model_error sd = -1.0 at least 0"),
    "negative limit": ("&observations gross_error_limit = -1.0 /", "gross_error_limit at least 0"),
    "unknown weighting": (
        "&quality_control weighting = 'tukey' /",
        "&quality_control weighting 'tukey' none, huber, varqc",
    ),
    "no limit of Huber's": (
        "&quality_control weighting = 'huber', huber_limit = 0.0 /",
        "&quality_control huber_limit = 0.0 above 0.0",
    ),
    "gross errors only": (
        "&quality_control weighting = 'varqc', gross_probability = 1.0 /",
        "&quality_control gross_probability = 1.0 at most 0.999",
    ),
    "Huber's limit without Huber": (
        "&quality_control huber_limit = 3.0 /",
        "&quality_control huber_limit not used weighting = 'none'",
    ),
    "width of other weights": (
        "&quality_control weighting = 'huber', gross_width = 3.0 /",
        "&quality_control gross_width not used weighting = 'huber'",
    ),
    "negative correlation length": (
        "&observations error_correlation_length = -1.0 /",
        "&observations error_correlation_length at least 0",
    ),
    "negative spacing": ("&thinning spacing = -1.0 /", "&thinning spacing = -1.0 at least 0"),
    "negative width": ("&superobbing width = -1.0 /", "&superobbing width = -1.0 at least 0"),
    "factor of no superobservation": (
        "&superobbing error_factor = 2.0 /",
        "&superobbing error_factor not used width = 0.0",
    ),
    "negative fields_every": ("&output fields_every = -1 /", "&output fields_every at least 0"),
    "negative checkpoints": ("&checkpoint every = -1 /", "&checkpoint every = -1 at least 0"),
    "unknown model": ("&cycle model = 'lorentz96' /", "&cycle model 'lorentz96' known: lorenz96"),
    "unknown truth model": ("&truth model = 'l96' /", "&truth model 'l96' known: lorenz96"),
    "unknown analysis": ("&cycle analysis = 'enkf' /", "&cycle analysis 'enkf' stochastic_enkf"),
    "unknown taper": ("&localisation taper = 'gc' /", "&localisation taper 'gc' gaspari_cohn"),
    "unknown start": ("&ensemble initial = 'file' /", "&ensemble initial 'file' climatology"),
    "unknown kind": ("&observations kinds = 'value', 'cube' /", "kinds 'cube' known: value, abs,"),
    "kind without quotes": ("&observations kinds = abs /", "&observations kinds in quotes 'abs'"),
    "falling power": ("&observations power_exponent = 0.5 /", "power_exponent = 0.5 at least 1.0"),
    "no cap": ("&observations power_cap = 0.0 /", "power_cap = 0.0 above 0.0"),
    "no offset": ("&observations log_offset = 0.0 /", "log_offset = 0.0 above 0.0"),
    "unknown curve": (
        "&observations kinds = 'average', average_curve = 'average' /",
        "&observations average_curve 'average' known: value, abs, square, power, log",
    ),
    "no width": ("&observations average_half_width = 0.0 /", "average_half_width above 0.0"),
    "unknown network": ("&observations network = 'row' /", "network 'row' known: given,"),
    "nothing drawn": ("&observations count = 0 /", "&observations count = 0 at least 1"),
    "probability above 1": ("&observations probability = 1.1 /", "probability = 1.1 at most 1.0"),
    "no probability": ("&observations probability = 0.0 /", "probability = 0.0 above 0.0"),
    "never": ("&observations every = 0 /", "&observations every = 0 at least 1"),
    "unknown errors": (
        "&observations error_distribution = 'normal' /",
        "&observations error_distribution 'normal' known: gaussian, laplace",
    ),
    "negative correlation": (
        "&observations error_correlation_length = -1.0 /",
        "&observations error_correlation_length = -1.0 at least 0.0",
    ),
    "share above 1": ("&observations gross_error_share = 1.5 /", "gross_error_share at most 1.0"),
    "gross errors are smaller": (
        "&observations gross_error_share = 0.1, gross_error_factor = 1.0 /",
        "&observations gross_error_factor = 1.0 above 1.0",
    ),
}

TOGETHER = {
    "localisation of a global filter": (
        "&cycle analysis = 'etkf' /\n&localisation radius = 3.0 /",
        "line 2: &localisation not used in use: cycle, remove it",
    ),
    "another filter's group": (
        "&cycle analysis = 'stochastic_enkf' /\n&etkf rotation = .false. /",
        "line 2: &etkf not used",
    ),
    "particles that can lose all weight": (
        "&cycle analysis = 'local_particle_filter' /\n&local_particle_filter alpha = 1.0 /",
        "line 2: &local_particle_filter alpha = 1.0 below 1",
    ),
    "particles that learn nothing": (
        "&cycle analysis = 'local_particle_filter' /\n&local_particle_filter alpha = 0.0 /",
        "line 2: &local_particle_filter alpha = 0.0 above 0.0",
    ),
    "rotation of the eakf": (
        "&cycle analysis = 'eakf' /\n&ensrf rotation = .false. /",
        "line 2: &ensrf not used",
    ),
    "one member of a serial filter": (
        "&cycle analysis = 'ensrf' /\n&ensemble members = 1 /",
        "&ensemble members = 1 'ensrf' at least 2",
    ),
    "radius of no taper": (
        "&localisation taper = 'none', radius = 3.0 /",
        "line 1: &localisation radius not used taper = 'none'",
    ),
    "inflation of a free run": (
        "&cycle analysis = 'none' /\n&inflation posterior = 1.1 /",
        "line 2: &inflation not used",
    ),
    "quality control of a free run": (
        "&cycle analysis = 'none' /\n&observations gross_error_limit = 3.0 /",
        "&observations gross_error_limit not used analysis = 'none'",
    ),
    "weights of a free run": (
        "&cycle analysis = 'none' /\n&quality_control weighting = 'huber' /",
        "line 2: &quality_control not used",
    ),
    "weights of correlated errors": (
        "&observations error_correlation_length = 2.0 /\n&quality_control weighting = 'huber' /",
        "line 2: &quality_control weighting 'huber' independent error_correlation_length",
    ),
    "thinning for nobody": (
        "&cycle analysis = 'climatology' /\n&thinning spacing = 2.0 /",
        "line 2: &thinning not used",
    ),
    "thinning and superobservations": (
        "&thinning spacing = 2.0 /\n&superobbing width = 2.0 /",
        "line 2: &superobbing width &thinning one or the other",
    ),
    "superobservations of correlated errors": (
        "&observations error_correlation_length = 2.0 /\n&superobbing width = 2.0 /",
        "line 2: &superobbing width independent error_correlation_length",
    ),
    "superobservations for nobody": (
        "&cycle analysis = 'none' /\n&superobbing width = 2.0 /",
        "line 2: &superobbing not used",
    ),
    "a hybrid of one state": (
        "&cycle analysis = 'var3d' /\n&ensemble members = 1 /\n&hybrid weight = 0.5 /",
        "line 3: &hybrid weight at least 2 members",
    ),
    "a hybrid of all but the ensemble": (
        "&cycle analysis = 'var4d' /\n&hybrid inflation = 1.1 /",
        "line 2: &hybrid inflation not used weight = 0",
    ),
    "a filter beside nothing": (
        "&cycle analysis = 'var4d' /\n&hybrid filter = 'etkf' /",
        "line 2: &hybrid filter not used 'var4d'",
    ),
    "an unknown filter beside": (
        "&cycle analysis = 'e4dvar' /\n&hybrid filter = 'denkf' /",
        "line 2: &hybrid filter 'denkf' known: letkf, etkf, ensrf",
    ),
    "more than the whole": (
        "&cycle analysis = 'e4dvar' /\n&hybrid weight = 1.5 /",
        "line 2: &hybrid weight 1.5 at most 1",
    ),
    "a coupled state": (
        "&cycle analysis = '4denvar' /\n&ensemble members = 1 /\n"
        "&hybrid weight = 0.0, filter = 'etkf' /",
        "&ensemble members = 1 '4denvar' at least 2",
    ),
    "a static covariance for nobody": (
        "&cycle analysis = 'e3dvar' /\n&hybrid weight = 1.0 /\n&background factor = 0.1 /",
        "line 3: &background not used",
    ),
    "a localisation for nobody": (
        "&cycle analysis = 'var4d' /\n&localisation radius = 3.0 /",
        "line 2: &localisation not used",
    ),
    "a boxcar as correlation": (
        "&cycle analysis = '4denvar' /\n&localisation taper = 'boxcar' /",
        "&localisation taper = 'boxcar' no correlation function 'gaspari_cohn'",
    ),
    "prior inflation beside": (
        "&cycle analysis = 'e4dvar' /\n&inflation prior = 1.1 /",
        "&inflation prior not used posterior",
    ),
    "noise beside": (
        "&cycle analysis = 'e4dvar' /\n&inflation additive = 0.1 /",
        "&inflation additive not used posterior",
    ),
    "the groups of another filter": (
        "&cycle analysis = 'e4dvar' /\n&hybrid filter = 'etkf' /\n&letkf rotation = .true. /",
        "line 3: &letkf not used",
    ),
    "a window in 3D": (
        "&cycle analysis = 'e3dvar' /\n&variational window = 2 /",
        "line 2: &variational window = 2 at most 0",
    ),
    "multiple assimilation beside a filter": (
        "&cycle analysis = 'e4dvar' /\n&variational multiple = .true. /",
        "line 2: &variational multiple not used 'e4dvar'",
    ),
    "correlated errors of a hybrid": (
        "&cycle analysis = 'e4dvar' /\n&observations error_correlation_length = 2.0 /",
        "&observations error_correlation_length not used 'e4dvar'",
    ),
    "members of one state": (
        "&cycle analysis = 'kalman_second_order' /\n&ensemble members = 2 /",
        "&ensemble members = 2 'kalman_second_order' one state members = 1",
    ),
    "correlated errors of one state": (
        "&cycle analysis = 'kalman_second_order' /\n&ensemble members = 1 /\n"
        "&observations error_correlation_length = 2.0 /",
        "&observations error_correlation_length not used 'kalman_second_order' R is diagonal",
    ),
    "iterations of a filter": (
        "&cycle analysis = 'kalman_second_order' /\n&ensemble members = 1 /\n"
        "&kalman_second_order iterations = 3 /",
        "line 3: &kalman_second_order iterations not used window = 0",
    ),
    "a third order": (
        "&cycle analysis = 'kalman_second_order' /\n&kalman_second_order order = 3 /",
        "line 2: &kalman_second_order order = 3 at most 2",
    ),
    "one member": (
        "&cycle analysis = 'etkf' /\n&ensemble members = 1 /",
        "&ensemble members = 1 'etkf' at least 2",
    ),
    "a widest radius without need": (
        "&letkf radius_maximum = 9.0 /",
        "&letkf radius_maximum = 9.0 not used without effective_observations",
    ),
    "no widest radius": (
        "&letkf effective_observations = 9.0 /",
        "&letkf radius_maximum = 0.0 above &localisation radius = 6.0",
    ),
    "an adaptive boxcar": (
        "&letkf effective_observations = 9.0, radius_maximum = 9.0 /\n"
        "&localisation taper = 'boxcar' /",
        "&letkf effective_observations = 9.0 taper = 'boxcar' 'gaspari_cohn'",
    ),
    "interval between time steps": (
        "&cycle interval = 0.07 /",
        "&cycle interval = 0.07 multiple of dt = 0.05 in &lorenz96",
    ),
    "interval between the truth's time steps": (
        "&truth_lorenz96 dt = 0.03 /",
        "&cycle interval = 0.05 multiple of dt = 0.03 in &truth_lorenz96",
    ),
    "all cycles left out": ("&cycle cycles = 6, burn_in = 6 /", "&cycle burn_in = 6 less cycles"),
    "more than a rank can count": ("&lorenz96 n = 1000000000 /", "1000000000 points more ranks"),
    "more than fits": ("&cycle cycles = 1000000000 /", "GiB available fewer cycles"),
    "a whole covariance that does not fit": (
        "&cycle analysis = 'kalman_second_order' / &ensemble members = 1 / "
        "&lorenz96 n = 1000000 / &kalman_second_order reach = 0 /",
        "GiB available fewer points",
    ),
    "the truth has another size": ("&truth_lorenz96 n = 20 /", "&truth_lorenz96 n = 20 n = 40"),
    "nothing to observe": ("&truth source = 'none' /", "&observations source 'twin' no truth"),
    "no truth file": ("&truth source = 'file' /", "&truth file needed source = 'file'"),
    "no observation file": ("&observations source = 'file' /", "&observations file needed"),
    "a truth file that is not used": ("&truth file = 'x.nc' /", "&truth file not used 'twin'"),
    "an observation file that is not used": (
        "&observations file = 'x.nc' /",
        "&observations file not used source = 'twin'",
    ),
    "stride of a file": (
        "&observations source = 'file', file = 'x.nc', stride = 2.0 /",
        "&observations stride not used source = 'file'",
    ),
    "kinds of a file": (
        "&observations source = 'file', file = 'x.nc', kinds = 'abs' /",
        "&observations kinds not used source = 'file'",
    ),
    "cap of no power": (
        "&observations kinds = 'abs', 'log', power_cap = 9.0 /",
        "&observations power_cap not used kind",
    ),
    "curve of no average": ("&observations average_curve = 'log' /", "average_curve not used"),
    "cap of another curve": (
        "&observations kinds = 'average', average_curve = 'log', power_cap = 9.0 /",
        "&observations power_cap not used kind",
    ),
    "width of no average": ("&observations average_half_width = 9.0 /", "average_half_width used"),
    "average wider than the circle": (
        "&observations kinds = 'average', average_half_width = 20.1 /",
        "&observations average_half_width = 20.1 half points, 40",
    ),
    "network of a file": (
        "&observations source = 'file', file = 'x.nc', network = 'random_points' /",
        "&observations network not used source = 'file'",
    ),
    "every of a file": (
        "&observations source = 'file', file = 'x.nc', every = 2 /",
        "&observations every not used source = 'file'",
    ),
    "count of given places": ("&observations count = 9 /", "count not used network = 'given'"),
    "probability of random positions": (
        "&observations network = 'random_positions', probability = 0.1 /",
        "&observations probability not used network = 'random_positions'",
    ),
    "drift of random points": (
        "&observations network = 'random_points', drift = 1.0 /",
        "&observations drift not used network = 'random_points'",
    ),
    "positions of a random network": (
        "&observations network = 'random_points', positions = 1.0 2.0 /",
        "&observations positions not used network = 'random_points'",
    ),
    "nothing observed in the run": (
        SHORT + "&observations every = 7 /",
        "&observations every = 7 only 6 cycles",
    ),
    "no point drawn in the run": (
        SHORT + "&observations network = 'random_points', probability = 1e-12 /",
        "&observations probability = 1.0e-12 no point 6 cycles",
    ),
    "errors of a file": (
        "&observations source = 'file', file = 'x.nc', error_distribution = 'laplace' /",
        "&observations error_distribution not used source = 'file'",
    ),
    "gross errors of a file": (
        "&observations source = 'file', file = 'x.nc', gross_error_share = 0.1 /",
        "&observations gross_error_share not used source = 'file'",
    ),
    "factor of no gross errors": (
        "&observations gross_error_factor = 3.0 /",
        "&observations gross_error_factor not used gross_error_share = 0",
    ),
    "errors that cannot correlate": (
        "&observations error_distribution = 'laplace', error_correlation_length = 2.0 /",
        "&observations error_correlation_length needs error_distribution = 'gaussian'",
    ),
    "the same error twice": (
        "&observations positions = 1.0, 3.0, 1.0, error_correlation_length = 2.0 /",
        "&observations positions same error_correlation_length",
    ),
    "positions and stride": ("&observations positions = 1.0, stride = 2.0 /", "positions stride"),
    "position off the circle": ("&observations positions = 0.0, 40.0 /", "positions 40.0 circle"),
    "offset off the circle": ("&observations offset = 40.0 /", "offset = 40.0 less points, 40"),
    "start from no truth": (
        "&truth source = 'none' /\n&observations source = 'file', file = 'x.nc' /\n"
        "&ensemble initial = 'truth' /",
        "&ensemble initial 'truth' no truth 'climatology'",
    ),
    "spread of another start": (
        "&ensemble initial_sd = 0.1 /",
        "&ensemble initial_sd not used initial = 'climatology'",
    ),
    "parameters of a model that has none": (
        "&parameters estimate = .true. /",
        "line 1: &parameters not used",
    ),
    "settings of parameters that are known": (
        "&cycle model = 'lorenz96_forced' /\n&parameters first_guess = 7.0 /",
        "&parameters first_guess not used estimate = .false.",
    ),
    "correlation of a single parameter": (
        "&cycle model = 'lorenz96_forced' /\n"
        "&parameters estimate = .true., correlation_length = 2.0 /",
        "&parameters correlation_length not used scope = 'global'",
    ),
    "parameters of a free run": (
        "&cycle model = 'lorenz96_forced', analysis = 'none' /\n&parameters estimate = .true. /",
        "&parameters estimate = .true. analysis = 'none' filter",
    ),
    "bias of a file's observations": (
        "&observations source = 'file', file = 'x.nc', bias = 0.5 /",
        "&observations bias not used source = 'file'",
    ),
    "settings of a bias that is not estimated": (
        "&observation_bias random_walk = 0.1 /",
        "&observation_bias random_walk not used estimate = .false.",
    ),
    "bias of a free run": (
        "&cycle analysis = 'none' /\n&observation_bias estimate = .true. /",
        "line 2: &observation_bias not used",
    ),
    "adaptive inflation of a free run": (
        "&cycle analysis = 'none' /\n&adaptive_inflation scheme = 'miyoshi2011' /",
        "line 2: &adaptive_inflation not used",
    ),
    "settings of no adaptive inflation": (
        "&adaptive_inflation radius = 4.0 /",
        "&adaptive_inflation radius not used scheme = 'none'",
    ),
    "adaptive inflation between no limits": (
        "&adaptive_inflation scheme = 'miyoshi2011', minimum = 2.0, maximum = 1.5 /",
        "&adaptive_inflation minimum not larger maximum",
    ),
    "adaptive inflation from beyond its limits": (
        "&adaptive_inflation scheme = 'miyoshi2011', initial = 11.0 /",
        "&adaptive_inflation initial between minimum maximum",
    ),
    "memory of no forcing": (
        "&cycle analysis = 'var4d' /\n&weak_constraint memory = 0.5 /",
        "&weak_constraint memory not used forcings = 'none'",
    ),
    "Q of no forcing": (
        "&cycle analysis = 'var4d' /\n&weak_constraint sd = 0.5 /",
        "&weak_constraint sd not used forcings = 'none'",
    ),
    "a factor of no climate": (
        "&cycle analysis = 'var4d' /\n&weak_constraint forcings = 'cycle', factor = 0.5 /",
        "&weak_constraint factor not used covariance = 'diagonal'",
    ),
    "weak constraint without a window": (
        "&cycle analysis = 'var3d' /\n&weak_constraint forcings = 'cycle' /",
        "line 2: &weak_constraint not used",
    ),
    "noise with a perfect model": (
        "&cycle analysis = 'var4d' /\n&model_error sd = 0.5 /",
        "&model_error sd = 0.5 'var4d' takes the forecast model as perfect",
    ),
    "noise of a single control": (
        "&cycle analysis = 'var4d' /\n&ensemble members = 1 /\n&model_error sd = 0.5 /\n"
        "&weak_constraint forcings = 'cycle' /",
        "&model_error sd = 0.5 'var4d' with one member without noise &weak_constraint truth_sd",
    ),
    "noise beside a constant forcing": (
        "&cycle analysis = 'var4d' /\n&model_error sd = 0.5 /\n"
        "&weak_constraint forcings = 'constant' /",
        "&model_error sd = 0.5 'var4d' takes noise with &weak_constraint forcings = 'cycle'",
    ),
    "a smoother of particles": (
        "&cycle analysis = 'local_particle_filter' /\n&smoother lag = 3 /",
        "line 2: &smoother not used",
    ),
    "a smoother of a window": (
        "&cycle analysis = 'ienks' /\n&smoother lag = 3 /",
        "line 2: &smoother not used",
    ),
    "a correlation of no noise": (
        "&model_error correlation_length = 2.0 /",
        "&model_error correlation_length not used sd = 0",
    ),
    "model error of a truth in a file": (
        "&truth source = 'file', file = 'x.nc' /\n&model_error truth_sd = 1.0 /",
        "&model_error truth_sd not used &truth source = 'file'",
    ),
    "diagnostics of a filter": (
        "&diagnostics hessian = 'lanczos' /",
        "&diagnostics",
    ),
    "a preconditioner without vectors": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 1 /\n"
        "&variational preconditioner = 'lanczos', outer_loops = 2 /",
        "line 3: &variational preconditioner needs solver = 'lanczos'",
    ),
    "a preconditioner of one loop": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 1 /\n"
        "&variational preconditioner = 'lanczos', solver = 'lanczos', outer_loops = 1 /",
        "line 3: &variational preconditioner not used outer_loops = 1",
    ),
    "a Hessian of vectors that are not kept": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 1 /\n"
        "&diagnostics hessian = 'minimisation' /",
        "line 3: &diagnostics hessian needs solver = 'lanczos' &variational",
    ),
    "the Hessian of a preconditioned loop": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 1 /\n"
        "&variational solver = 'lanczos', preconditioner = 'lanczos', outer_loops = 2 /\n"
        "&diagnostics hessian = 'minimisation' /",
        "line 4: &diagnostics hessian preconditioner take 'lanczos'",
    ),
    "an analysis error of members": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 4 /\n"
        "&diagnostics hessian = 'lanczos', analysis_error = .true. /",
        "line 3: &diagnostics analysis_error members = 4 spread of their own",
    ),
    "an analysis error now and then": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 1 /\n"
        "&diagnostics hessian = 'lanczos', analysis_error = .true., every = 2 /",
        "line 3: &diagnostics every = 2 must be 1",
    ),
    "Lanczos vectors for nothing": (
        "&cycle analysis = 'var4d' /\n&ensemble members = 1 /\n&diagnostics vectors = 3 /",
        "line 3: &diagnostics vectors not used without hessian = 'lanczos'",
    ),
    "diagnostics of nothing": (
        "&cycle analysis = 'var4d' /\n&ensemble members = 1 /\n&diagnostics every = 3 /",
        "line 3: &diagnostics every not used without",
    ),
    "diagnostics after the end": (
        "&cycle analysis = 'var4d' /\n"
        "&ensemble members = 1 /\n"
        "&diagnostics iterations = .true., every = 1001 /",
        "&diagnostics every = 1001 no minimisation after burn_in",
    ),
    "CRPS without a truth": (
        "&truth source = 'none' /\n&observations source = 'file', file = 'x.nc' /\n"
        "&verification crps = .true. /",
        "line 3: &verification crps = .true. no truth",
    ),
    "CRPS of one member": (
        "&cycle analysis = 'none' /\n&ensemble members = 1 /\n&verification crps = .true. /",
        "line 3: &verification crps &ensemble members = 1 at least 2",
    ),
    "ranks without a truth": (
        "&truth source = 'none' /\n&observations source = 'file', file = 'x.nc' /\n"
        "&verification rank_histogram = .true. /",
        "line 3: &verification rank_histogram no truth",
    ),
    "events without a truth": (
        "&truth source = 'none' /\n&observations source = 'file', file = 'x.nc' /\n"
        "&verification thresholds = 1.0 /",
        "line 3: &verification thresholds no truth",
    ),
    "thresholds in no order": (
        "&verification thresholds = 5.0, 1.0 /",
        "&verification thresholds must ascend",
    ),
    "points of no count": (
        "&verification crps = .true., points_every = 2 /",
        "&verification points_every not used without rank_histogram or thresholds",
    ),
    "too few points to count": (
        "&verification rank_histogram = .true., points_every = 41 /",
        "&verification points_every = 41 only 40 points",
    ),
    "half a region": (
        "&verification regions = 0, 19, 20 /",
        "&verification regions 3 values pairs",
    ),
    "a region off the circle": (
        "&verification regions = 0, 40 /",
        "&verification regions = 40.0 point, 0 to 39",
    ),
    "a region between points": ("&verification regions = 0.5, 9 /", "regions = 0.5 point"),
    "forecasts without a truth": (
        "&truth source = 'none' /\n&observations source = 'file', file = 'x.nc' /\n"
        "&verification lead_times = 1.0 /",
        "line 3: &verification lead_times no truth",
    ),
    "lead time between cycles": (
        "&verification lead_times = 0.12 /",
        "&verification lead_times = 0.12 multiple of interval = 0.05 in &cycle",
    ),
    "no lead time": ("&verification lead_times = 0.0 /", "&verification lead_times above 0"),
    "lead times in no order": (
        "&verification lead_times = 1.0, 0.5 /",
        "&verification lead_times must ascend",
    ),
    "integer at its end": ("&letkf weights_every = 2147483647 /", "weights_every at most 1000"),
    "integer without end": (
        "&cycle model = 'lorenz96_two_scale' /\n&lorenz96_two_scale fast = 2147483647 /",
        "fast = 2147483647 at most 1000000000",
    ),
    "divided by": (
        "&verification lead_times = 0.1, forecasts_every = 0 /",
        "forecasts_every = 0 at least 1",
    ),
    "endless minimisation": (
        "&cycle analysis = 'var4d' /\n&ensemble members = 1 /\n"
        "&variational inner_iterations = 1000000000 /",
        "inner_iterations at most 100000",
    ),
    "endless lead time": ("&verification lead_times = 1e9 /", "lead_times at most 50000.0"),
    "forecasts to no lead time": (
        "&verification forecasts_every = 5 /",
        "&verification forecasts_every not used without lead_times",
    ),
    "a forecast to no lead time": (
        "&verification forecast = 'ensemble' /",
        "&verification forecast not used without lead_times",
    ),
    "unknown forecast": (
        "&verification lead_times = 1.0, forecast = 'members' /",
        "&verification forecast 'members' known: mean, ensemble",
    ),
    "forecasts in the burn-in only": (
        "&cycle burn_in = 800 /\n&verification lead_times = 1.0, forecasts_every = 400 /",
        "line 2: &verification forecasts_every = 400 burn_in = 800 of 1000 cycles",
    ),
    "shift beyond the window": (
        "&cycle analysis = 'var4d' /\n&variational window = 4, shift = 5 /",
        "line 2: &variational shift = 5 at most window = 4",
    ),
    "shift beyond the smoother's window": (
        "&cycle analysis = 'ienks' /\n&ienks window = 2, shift = 3 /",
        "line 2: &ienks shift = 3 at most window = 2",
    ),
    "no shift": ("&cycle analysis = 'ienks' /\n&ienks shift = 0 /", "&ienks shift = 0 at least 1"),
    "no window": (
        "&cycle analysis = 'var4d' /\n&variational window = 0 /",
        "&variational window = 0 at least 1",
    ),
    "windows that overlap in 3D-FGAT": (
        "&cycle analysis = 'var3d' /\n&variational window = 4, shift = 2 /",
        "line 2: &variational shift = 2 'var3d' leave it out",
    ),
    "shift of 3D-Var": (
        "&cycle analysis = 'var3d' /\n&variational shift = 2 /",
        "line 2: &variational shift = 2 'var3d' leave it out",
    ),
    "3D-Var, multiple": (
        "&cycle analysis = 'var3d' /\n&variational window = 4, multiple = .true. /",
        "line 2: &variational multiple not used 'var3d'",
    ),
    "cycles after the last window": (
        "&cycle analysis = 'var4d', cycles = 999 /\n&variational window = 4, shift = 2 /",
        "&cycle cycles = 999 multiple of the window's shift = 2",
    ),
    "a stochastic model in a window": (
        "&cycle analysis = 'var3d' /\n&variational window = 4 /\n&model_error sd = 0.1 /",
        "&model_error sd = 0.1 'var3d' perfect over its window",
    ),
    "fields after the end": (SHORT + "&output fields_every = 7 /", "&output fields_every 6 cycles"),
    "members after the end": (
        SHORT + "&output members_every = 7 /",
        "&output members_every = 7 6 cycles",
    ),
}


def cases(table: dict[str, tuple[str | bytes, str]]) -> Any:
    arguments = [(text, words.split()) for text, words in table.values()]
    return pytest.mark.parametrize(("text", "words"), arguments, ids=list(table))


@cases(SYNTAX)
def test_syntax(text: str | bytes, words: list[str], refused: Callable[..., str]) -> None:
    assert refused(text, ["run.nml", *words]).startswith("run.nml")


@cases(VALUES)
def test_values(text: str, words: list[str], refused: Callable[..., str]) -> None:
    assert refused(text, words).startswith("run.nml, line 1: ")


@cases(TOGETHER)
def test_what_does_not_go_together(
    text: str, words: list[str], refused: Callable[..., str]
) -> None:
    assert refused(text, words).startswith("run.nml")


@cases(
    {
        "unknown group": SYNTAX["unknown group"],
        "wrong type": VALUES["text for an integer"],
        "bytes": SYNTAX["bytes"],
        "found late": TOGETHER["position off the circle"],
    }
)
def test_one_rank_speaks_for_all(
    text: str | bytes, words: list[str], refused: Callable[..., str]
) -> None:
    refused(text, words, ranks=3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "&cycle\r\n   cycles = 500,\r\n/\r\n",
        b"\xef\xbb\xbf&cycle cycles = 500 /",
        "&CYCLE Cycles = 500 ! a comment with / and '\n&END\n",
        "&cycle title = 'it''s / a ! title', cycles = 500 /",
        "\t&observations positions = 3*1.5 2, 3.d0 /",
    ],
    ids=["empty", "Windows lines", "byte order mark", "capitals", "quotes", "lists"],
)
def test_these_are_no_mistakes(
    text: str | bytes,
    da_cycle: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    (tmp_path / "run.nml").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = da_cycle(["--check", "run.nml"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "run.nml: right, and so are the files it names\n"
    assert [path.name for path in tmp_path.iterdir()] == ["run.nml"]
