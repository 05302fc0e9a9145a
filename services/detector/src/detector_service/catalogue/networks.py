"""Neural networks: offered where the extra `torch` is installed. PyOD's signatures are read without importing it."""

from collections.abc import Mapping

from detector_service.catalogue.declared import FRACTION, NEIGHBOURS, POSITIVE, SWITCH, Declared, Schema, count

EXTRA = "torch"

# What comes nearest where the extra is not installed.
INSTEAD: Mapping[str, tuple[str, ...]] = {
    "AE1SVM": ("OCSVM", "PCA"),
    "AutoEncoder": ("PCA", "KPCA"),
    "DIF": ("IForest", "INNE"),
    "DeepSVDD": ("OCSVM",),
    "LUNAR": ("LOF", "KNN"),
    "VAE": ("PCA", "KPCA"),
}

_NOT_NEGATIVE: Schema = {"type": "number", "minimum": 0}
_DROPOUT: Schema = {
    "type": "number",
    "minimum": 0,
    "exclusiveMaximum": 1,
    "description": "Share of the units that is left out of each training step.",
}
_ACTIVATION: Schema = {"enum": ["relu", "tanh", "sigmoid", "elu", "leaky_relu", "softplus", "identity"]}
_HIDDEN: Schema = {**_ACTIVATION, "description": "What a hidden unit makes of its sum."}
_RATE: Schema = {**POSITIVE, "maximum": 1, "description": "Length of a training step."}
_EPOCHS: Schema = {**count(1000), "description": "How often the training goes through the rows."}
_BATCH: Schema = {**count(65_536), "description": "Rows in a training step."}
_BATCH_NORM: Schema = {**SWITCH, "description": "Standardise each layer's sums over the batch while training."}
_STANDARDISED: Schema = {**SWITCH, "description": "Bring each feature to mean 0 and variance 1 first."}
_DECAY: Schema = {**_NOT_NEGATIVE, "description": "Pull of the weights towards zero."}


def _widths(least: int = 1) -> Schema:
    return {"type": "array", "items": count(1024), "minItems": least, "maxItems": 8}


def _hidden(description: str, least: int = 1) -> Schema:
    return {"anyOf": [_widths(least), {"type": "null"}], "description": description}


_TRAINED: Mapping[str, Schema] = {
    "preprocessing": _STANDARDISED,
    "lr": _RATE,
    "epoch_num": _EPOCHS,
    "batch_size": {**_BATCH, "description": "Rows in a training step; fewer training rows are refused."},
    "optimizer_name": {"enum": ["adam", "sgd"], "description": "Rule of the training steps."},
}
_OF_PYTORCH = frozenset({"device", "random_state", "use_compile", "compile_mode", "verbose", "optimizer_params"})
_SILENT_ON_CPU = {"device": "cpu", "verbose": 0}

ENTRIES = (
    Declared(
        name="AutoEncoder",
        title="Autoencoder",
        description="Scores a row by how badly a network that squeezes it through a few units gives it back.",
        good_at="Many columns with curved relations among them, on some thousand rows or more.",
        paper="Aggarwal, Outlier Analysis, chapter 3, Springer 2017",
        implementation="pyod.models.auto_encoder.AutoEncoder",
        fit_cost="high",
        score_cost="low",
        parameters={
            **_TRAINED,
            "hidden_neuron_list": {**_widths(), "description": "Units of each layer down to the code; then back up."},
            "hidden_activation_name": _HIDDEN,
            "batch_norm": _BATCH_NORM,
            "dropout_rate": _DROPOUT,
        },
        left_out=_OF_PYTORCH,
        server_side=_SILENT_ON_CPU,
        extra=EXTRA,
    ),
    Declared(
        name="VAE",
        title="Variational autoencoder (VAE)",
        description="An autoencoder whose codes are near a Gaussian; scored at the mean code, where PyOD draws one.",
        good_at="Many columns, where an autoencoder learns the anomalies by heart as well.",
        paper="Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014; Burgess et al., Understanding "
        "disentangling in beta-VAE, 2018",
        implementation="pyod.models.vae.VAE",
        fit_cost="high",
        score_cost="low",
        parameters={
            **_TRAINED,
            "beta": {**_NOT_NEGATIVE, "description": "Weight of the codes' distance from a Gaussian."},
            "capacity": {**_NOT_NEGATIVE, "description": "Distance from a Gaussian that costs nothing."},
            "encoder_neuron_list": {**_widths(), "description": "Units of each layer before the code."},
            "decoder_neuron_list": {**_widths(), "description": "Units of each layer behind the code."},
            "latent_dim": {**count(256), "description": "Numbers in a code."},
            "hidden_activation_name": _HIDDEN,
            "output_activation_name": {**_ACTIVATION, "description": "What an output makes of its sum."},
            "batch_norm": _BATCH_NORM,
            "dropout_rate": _DROPOUT,
        },
        left_out=_OF_PYTORCH | {"logvar_clip"},
        server_side=_SILENT_ON_CPU,
        extra=EXTRA,
    ),
    Declared(
        name="AE1SVM",
        title="Autoencoder with a one-class support vector machine (AE1SVM)",
        description="An autoencoder whose codes are trained to be told from zero as well.",
        good_at="Many columns and dense groups.",
        paper="Nguyen & Vien, Scalable and Interpretable One-class SVMs with Deep Learning and Random Fourier "
        "Features, ECML PKDD 2018",
        implementation="pyod.models.ae1svm.AE1SVM",
        fit_cost="high",
        score_cost="low",
        parameters={
            "hidden_neurons": _hidden("Units of each layer before and behind the code; null for 64 and 32."),
            "hidden_activation": _HIDDEN,
            "batch_norm": _BATCH_NORM,
            "learning_rate": _RATE,
            "epochs": _EPOCHS,
            "batch_size": _BATCH,
            "dropout_rate": _DROPOUT,
            "weight_decay": _DECAY,
            "preprocessing": _STANDARDISED,
            "alpha": {**_NOT_NEGATIVE, "description": "Weight of the reconstruction beside the machine's loss."},
            "sigma": {**POSITIVE, "description": "Scale of the random Fourier features."},
            "kernel_approx_features": {**count(10_000), "description": "Number of random Fourier features."},
        },
        left_out=frozenset({"loss_fn", "nu"}),
        extra=EXTRA,
    ),
    Declared(
        name="DeepSVDD",
        title="Deep one-class classification (DeepSVDD)",
        description="Squared distance from a centre that a network has learnt to map rows to.",
        good_at="Training rows that are mostly normal.",
        paper="Ruff et al., Deep One-Class Classification, ICML 2018",
        implementation="pyod.models.deep_svdd.DeepSVDD",
        fit_cost="high",
        score_cost="low",
        parameters={
            "use_ae": {**SWITCH, "description": "Decode the representation, and train on that as well."},
            "hidden_neurons": _hidden("Units of each layer; null for 64 and 32.", least=2),
            "hidden_activation": _HIDDEN,
            "output_activation": {**_ACTIVATION, "description": "What an output of use_ae makes of its sum."},
            "optimizer": {"enum": ["adam", "adamw", "rmsprop", "sgd"], "description": "Rule of the training steps."},
            "epochs": _EPOCHS,
            "batch_size": _BATCH,
            "dropout_rate": _DROPOUT,
            "l2_regularizer": _DECAY,
            "preprocessing": _STANDARDISED,
            "learning_rate": _RATE,
        },
        left_out=frozenset({"n_features", "c", "validation_size", "verbose", "random_state"}),
        server_side={"n_features": 1, "verbose": 0},
        extra=EXTRA,
    ),
    Declared(
        name="DIF",
        title="Deep isolation forest (DIF)",
        description="Isolation forests on random networks' views of a row, standardised over the training rows.",
        good_at="Anomalies that no straight split isolates.",
        paper="Xu et al., Deep Isolation Forest for Anomaly Detection, IEEE TKDE 2023",
        implementation="pyod.models.dif.DIF",
        fit_cost="high",
        score_cost="high",
        parameters={
            "representation_dim": {**count(256), "description": "Numbers in a representation."},
            "hidden_neurons": _hidden("Units of each layer; null for 500 and 100."),
            "hidden_activation": _HIDDEN,
            "skip_connection": {**SWITCH, "description": "Show each layer what all layers before it were shown."},
            "n_ensemble": {**count(200), "description": "Number of representations."},
            "n_estimators": {**count(200), "description": "Number of trees on each."},
            "max_samples": {**count(65_536, minimum=2), "description": "Most rows per tree."},
        },
        left_out=frozenset({"batch_size", "random_state", "device"}),
        server_side={"device": "cpu"},
        extra=EXTRA,
    ),
    Declared(
        name="LUNAR",
        title="Graph network on nearest neighbours (LUNAR)",
        description="Learns how a row's distances to its nearest rows tell it from made up anomalies.",
        good_at="Groups of any shape and density, on some thousand rows.",
        paper="Goodge et al., LUNAR: Unifying Local Outlier Detection Methods via Graph Neural Networks, AAAI 2022",
        implementation="pyod.models.lunar.LUNAR",
        fit_cost="high",
        score_cost="high",
        parameters={
            "model_type": {
                "enum": ["WEIGHT", "SCORE"],
                "description": "Whether the network weighs the distances or gives the score itself.",
            },
            "n_neighbours": {**NEIGHBOURS, "description": "Number of neighbours."},
            "negative_sampling": {
                "enum": ["MIXED", "SUBSPACE", "UNIFORM"],
                "description": "How anomalies are made up: rows moved along some features, evenly spread, or both.",
            },
            "val_size": {**FRACTION, "description": "Share of the rows that tells when to stop."},
            "epsilon": {**POSITIVE, "description": "How far rows are moved, in ranges of the features."},
            "proportion": {**POSITIVE, "maximum": 10, "description": "Made up anomalies per row."},
            "n_epochs": {**count(10_000), "description": "Number of training steps, on all rows each."},
            "lr": _RATE,
            "wd": _DECAY,
        },
        left_out=frozenset({"scaler", "verbose", "algorithm", "leaf_size", "metric", "p", "metric_params", "n_jobs"})
        | {"random_state"},
        extra=EXTRA,
    ),
)
