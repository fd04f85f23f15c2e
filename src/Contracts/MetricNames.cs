namespace Atoll.Contracts;

/// <summary>Names of the scores in an <see cref="EvaluationReport"/>, and which way they are better.</summary>
public static class MetricNames
{
    /// <summary>Part of the samples with the right label.</summary>
    public const string Accuracy = "accuracy";

    /// <summary>Mean over the labels that occur or were predicted.</summary>
    public const string MacroPrecision = "macro-precision";
    public const string MacroRecall = "macro-recall";
    public const string MacroF1 = "macro-f1";

    /// <summary>Mean over the labels, each weighing as often as it occurs.</summary>
    public const string WeightedPrecision = "weighted-precision";
    public const string WeightedRecall = "weighted-recall";
    public const string WeightedF1 = "weighted-f1";

    /// <summary>
    /// From the counts of all labels together; multi-label, where for one label per sample it would equal accuracy, and entities, of which
    /// one is right when its label, its beginning and its end are.
    /// </summary>
    public const string MicroPrecision = "micro-precision";
    public const string MicroRecall = "micro-recall";
    public const string MicroF1 = "micro-f1";

    /// <summary>Part of the samples whose whole set of labels is right.</summary>
    public const string SubsetAccuracy = "subset-accuracy";

    /// <summary>Mean negative natural logarithm of the probability given to the truth; for multi-label, mean over samples and labels.</summary>
    public const string LogLoss = "log-loss";

    /// <summary>Gap between stated and observed probability of the predicted label, mean over ten bins of equal width.</summary>
    public const string CalibrationError = "calibration-error";

    /// <summary>Area under the ROC curve, two labels; the second label is the positive one.</summary>
    public const string Auc = "auc";

    /// <summary>Area under the precision-recall curve as average precision, two labels.</summary>
    public const string AucPr = "auc-pr";

    /// <summary>Mean squared error of the positive label's probability, two labels.</summary>
    public const string Brier = "brier";

    public const string Rmse = "rmse";
    public const string Mae = "mae";

    /// <summary>Part of the target's variance that is explained; absent when the target does not vary.</summary>
    public const string R2 = "r2";
    public const string MedianAbsoluteError = "median-absolute-error";

    /// <summary>Part of the samples between the model's <c>lower</c> and <c>upper</c>.</summary>
    public const string IntervalCoverage = "interval-coverage";

    /// <summary>Mean of <c>upper</c> minus <c>lower</c>.</summary>
    public const string IntervalWidth = "interval-width";

    /// <summary>The score that says most about a task when a person has not chosen one.</summary>
    public static string Primary(string task) => task switch
    {
        TaskKinds.Classification => Accuracy,
        TaskKinds.MultiLabelClassification => MacroF1,
        TaskKinds.Regression => Rmse,
        TaskKinds.EntityExtraction => MicroF1,
        _ => throw new ArgumentException($"There is no task '{task}'.", nameof(task)),
    };

    /// <summary>Whether more is better. Null for a name that is not a score of ours, and for <see cref="IntervalCoverage"/>, best near 0.9.</summary>
    public static bool? HigherIsBetter(string name) => name switch
    {
        Accuracy or SubsetAccuracy or Auc or AucPr or R2
            or MacroPrecision or MacroRecall or MacroF1
            or WeightedPrecision or WeightedRecall or WeightedF1
            or MicroPrecision or MicroRecall or MicroF1 => true,
        LogLoss or CalibrationError or Brier or Rmse or Mae or MedianAbsoluteError or IntervalWidth => false,
        _ => null,
    };
}
