"""Makes the files beside it: small models of XGBoost and LightGBM with what the libraries themselves predict.

    apt-get install python3-xgboost                     # made with 1.7.4
    nuget package LightGBM, runtimes/linux-x64/native   # made with 4.7.0; through its C API
    /usr/bin/python3 make.py path/to/lib_lightgbm.so

Each NAME.golden.json holds rows (null: missing), and for each row the library's own prediction.
"""
import ctypes, json, os, re, struct, sys
import numpy as np
import xgboost as xgb

HERE = os.path.dirname(os.path.abspath(__file__))
random = np.random.RandomState(7)
FEATURES, TRAIN, ROWS = 6, 400, 40


def table(count, missing=0.15):
    x = np.round(random.normal(size=(count, FEATURES)) * [1, 3, 10, 0.1, 1, 100], 2).astype(np.float32)
    x[:, 4] = random.randint(0, 5, size=count)
    if missing:
        x[random.uniform(size=x.shape) < missing] = np.nan
    return x


def labels(x, classes):
    z = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) / 3 - (np.nan_to_num(x[:, 4]) == 2) + np.isnan(x[:, 2]) * 0.7
    if classes == 0:
        return (z * 2 + 5).astype(np.float32)
    return np.digitize(z, np.quantile(z, np.linspace(0, 1, classes + 1)[1:-1])).astype(np.float32)


def rows_with(thresholds):
    """Rows of which many lie on a threshold or right beside it: there an 'at most' and a 'less than' part."""
    x = table(ROWS)
    for row in range(ROWS // 2):
        for feature, value in [thresholds[i] for i in random.randint(0, len(thresholds), size=4)]:
            value = np.float32(value)
            x[row, feature] = [value, np.nextafter(value, np.float32(-np.inf)), np.nextafter(value, np.float32(np.inf))][random.randint(3)]
    x[-1] = np.nan
    x[-2] = 0
    return x


def write(name, x, predicted):
    with open(os.path.join(HERE, name + ".golden.json"), "w") as file:
        rows = [[None if np.isnan(v) else float(v) for v in row] for row in x]
        predicted = np.asarray(predicted, dtype=np.float64).reshape(len(x), -1).tolist()
        file.write('{"rows":[\n' + ",\n".join(map(json.dumps, rows)) + '\n],"predicted":[\n' + ",\n".join(map(json.dumps, predicted)) + "\n]}\n")


def xgboost_model(name, extension, classes, names=None, rounds=6, **parameters):
    x = table(TRAIN)
    y = labels(x, classes)
    if classes == 0:
        y = np.maximum(y, 0.1)
    matrix = xgb.DMatrix(x, y, feature_names=names)
    booster = xgb.train({"max_depth": 3, "seed": 1, "nthread": 1, **parameters}, matrix, rounds)
    booster.save_model(os.path.join(HERE, f"{name}.{extension}"))
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = (trees.get("gbtree") or trees)["model"]["trees"]
    thresholds = [(f, t) for tree in trees for f, t, left in zip(tree["split_indices"], tree["split_conditions"], tree["left_children"]) if left >= 0]
    x = rows_with(thresholds)
    write(name, x, booster.predict(xgb.DMatrix(x, feature_names=names)))


NAMES = ["age", "income", "visits", "rate", "plan", "spent"]
xgboost_model("xgboost-binary", "json", 2, NAMES, objective="binary:logistic")
xgboost_model("xgboost-binary-base", "ubj", 2, objective="binary:logistic", base_score=0.2)
xgboost_model("xgboost-multi", "ubj", 3, objective="multi:softprob", num_class=3)
xgboost_model("xgboost-multi-parallel", "json", 3, rounds=2, objective="multi:softprob", num_class=3, num_parallel_tree=2, subsample=0.6)
xgboost_model("xgboost-regression", "ubj", 0, NAMES, objective="reg:squarederror", base_score=3.5)
xgboost_model("xgboost-gamma", "json", 0, objective="reg:gamma", base_score=2)
xgboost_model("xgboost-dart", "json", 2, objective="binary:logistic", booster="dart", rate_drop=0.5, rounds=8)


class LightGbm:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.LGBM_GetLastError.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        if getattr(self.library, name)(*arguments):
            raise RuntimeError(self.library.LGBM_GetLastError().decode())

    def train(self, x, y, parameters, rounds):
        parameters = (parameters + " verbosity=-1 num_threads=1 deterministic=true seed=1 min_data_in_leaf=5").encode()
        data, booster, done = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
        x64, y32 = np.ascontiguousarray(x, dtype=np.float64), np.ascontiguousarray(y, dtype=np.float32)
        self.call("LGBM_DatasetCreateFromMat", x64.ctypes.data_as(ctypes.c_void_p), 1, x.shape[0], x.shape[1], 1, parameters, None, ctypes.byref(data))
        self.call("LGBM_DatasetSetField", data, b"label", y32.ctypes.data_as(ctypes.c_void_p), len(y32), 0)
        self.call("LGBM_BoosterCreate", data, parameters, ctypes.byref(booster))
        for _ in range(rounds):
            self.call("LGBM_BoosterUpdateOneIter", booster, ctypes.byref(done))
        return booster

    def predict(self, booster, x, outputs):
        x64, result, length = np.ascontiguousarray(x, dtype=np.float64), np.zeros((len(x), outputs)), ctypes.c_int64()
        self.call("LGBM_BoosterPredictForMat", booster, x64.ctypes.data_as(ctypes.c_void_p), 1, x.shape[0], x.shape[1], 1, 0, 0, -1, b"num_threads=1", ctypes.byref(length),
                  result.ctypes.data_as(ctypes.c_void_p))
        assert length.value == result.size
        return result


lightgbm = LightGbm(sys.argv[1])


def lightgbm_model(name, classes, parameters, missing=0.15, rounds=6, golden=True):
    x = table(TRAIN, missing)
    y = labels(x, classes)
    if classes == 0:
        y = np.maximum(y, 0.1)
    booster = lightgbm.train(x, y, parameters + " num_leaves=7", rounds)
    path = os.path.join(HERE, name + ".txt")
    lightgbm.call("LGBM_BoosterSaveModel", booster, 0, -1, 0, path.encode())
    text = open(path).read()
    if not golden:
        return
    thresholds = [(int(f), float(t)) for f, t in ((f, t) for fs, ts in re.findall(r"split_feature=(.*)\n(?:.*\n)*?threshold=(.*)\n", text) for f, t in zip(fs.split(), ts.split()))]
    x = rows_with(thresholds)
    write(name, x, lightgbm.predict(booster, x, max(1, classes if classes > 2 else 1)))


lightgbm_model("lightgbm-binary", 2, "objective=binary")
lightgbm_model("lightgbm-binary-whole", 2, "objective=binary sigmoid=1.5", missing=0)
lightgbm_model("lightgbm-multi", 3, "objective=multiclass num_class=3")
lightgbm_model("lightgbm-ova", 3, "objective=multiclassova num_class=3")
lightgbm_model("lightgbm-regression", 0, "objective=regression")
lightgbm_model("lightgbm-poisson", 0, "objective=poisson")
lightgbm_model("lightgbm-forest", 2, "objective=binary boosting=rf bagging_freq=1 bagging_fraction=0.6")
lightgbm_model("lightgbm-categorical", 2, "objective=binary categorical_feature=4 min_data_per_group=5 cat_smooth=1", golden=False)
lightgbm_model("lightgbm-zero", 2, "objective=binary zero_as_missing=true", golden=False)
