namespace Atoll.Contracts;

/// <summary>How well a model did on samples that it never saw in training.</summary>
public sealed record EvaluationReport
{
    /// <summary>One of <see cref="TaskKinds"/>.</summary>
    public required string Task { get; init; }

    /// <summary>Samples that were predicted.</summary>
    public required int SampleCount { get; init; }

    /// <summary>Those of them that the model has learned from, too: rows that are equal in all that it reads and in the target, texts that are equal. Null where nobody looked.</summary>
    public int? LearnedToo { get; init; }

    /// <summary>Scores by name (<see cref="MetricNames"/>). A score that the samples do not define is absent, never 0 or NaN.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>Rows and columns of <see cref="ConfusionMatrix"/>: the model's labels, then labels that only the samples have.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Counts; the row is the actual label, the column the predicted one. Classification only.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? ConfusionMatrix { get; init; }

    /// <summary>Scores of each label, in the order of <see cref="Labels"/>.</summary>
    public IReadOnlyList<LabelMetrics>? PerLabel { get; init; }

    /// <summary>Where scores that are shares lie with 95 % confidence, by how few samples there are (Wilson).</summary>
    public IReadOnlyList<ScoreInterval>? Intervals { get; init; }

    /// <summary>How often the model is right where it says how sure it is, in bins of equal width that hold samples.</summary>
    /// <remarks>Of the predicted label; of a multi-label model, of every label of every sample.</remarks>
    public IReadOnlyList<CalibrationBin>? Calibration { get; init; }

    /// <summary>What the model loses without each of its columns; of tabular models.</summary>
    public ColumnEffects? ColumnEffects { get; init; }

    /// <summary>How groups are treated, by the columns that were asked for; null when nobody asked.</summary>
    public FairnessReport? Fairness { get; init; }
}

/// <summary>How groups of held-out samples are treated.</summary>
public sealed record FairnessReport
{
    /// <summary>The label by which they are compared: selected are those who are given it.</summary>
    public required string Positive { get; init; }

    public required IReadOnlyList<FairnessColumn> Columns { get; init; }
}

/// <summary>The groups of one column.</summary>
public sealed record FairnessColumn
{
    public required string Column { get; init; }

    /// <summary>The largest group, with which the others are compared.</summary>
    public required string Reference { get; init; }

    /// <summary>The groups, the largest first. Numbers are grouped by quarters of the rows.</summary>
    public required IReadOnlyList<FairnessGroup> Groups { get; init; }

    /// <summary>What stands out, in a sentence.</summary>
    public required string Finding { get; init; }
}

/// <summary>How one group is treated. Equalised odds are rates of true and of false positives that do not differ between groups.</summary>
public sealed record FairnessGroup
{
    public required string Group { get; init; }

    /// <summary>Held-out samples of the group.</summary>
    public required int Count { get; init; }

    /// <summary>Those of them that have the label.</summary>
    public required int Positives { get; init; }

    /// <summary>Part of the group that is given the label.</summary>
    public required ShareInterval SelectionRate { get; init; }

    /// <summary>Of those that have the label, the part that is given it; null when none has it.</summary>
    public ShareInterval? TruePositiveRate { get; init; }

    /// <summary>Of those that do not have it, the part that is given it; null when all have it.</summary>
    public ShareInterval? FalsePositiveRate { get; init; }

    /// <summary>The rate less that of the reference; null for the reference itself.</summary>
    public ShareInterval? SelectionDifference { get; init; }

    public ShareInterval? TruePositiveDifference { get; init; }

    public ShareInterval? FalsePositiveDifference { get; init; }
}

/// <summary>A share, or the difference of two, with where it lies with 95 % confidence (Wilson, Newcombe).</summary>
public sealed record ShareInterval(double Value, double Lower, double Upper);

/// <summary>Bounds of a score.</summary>
/// <param name="Metric">Name of the score (<see cref="MetricNames"/>).</param>
/// <param name="Lower">The true score is below it in one case of forty.</param>
/// <param name="Upper">The true score is above it in one case of forty.</param>
public sealed record ScoreInterval(string Metric, double Lower, double Upper);

/// <summary>Predictions that were about equally sure.</summary>
/// <param name="From">Least probability of the bin.</param>
/// <param name="To">Greatest probability of the bin.</param>
/// <param name="Count">Predictions in it.</param>
/// <param name="Stated">Mean of the probabilities that the model gave.</param>
/// <param name="Observed">Part of them that was right.</param>
/// <param name="Lower">Where the true part lies with 95 % confidence (Wilson).</param>
/// <param name="Upper">The upper end of that.</param>
public sealed record CalibrationBin(double From, double To, int Count, double Stated, double Observed, double Lower, double Upper);

/// <summary>What a model loses without each of its columns, measured on held-out rows.</summary>
public sealed record ColumnEffects
{
    /// <summary>The score that gets worse: <see cref="MetricNames.LogLoss"/> or <see cref="MetricNames.Rmse"/>.</summary>
    public required string Metric { get; init; }

    /// <summary>That score on the same rows, untouched.</summary>
    public required double Untouched { get; init; }

    /// <summary>Held-out rows that it was measured on.</summary>
    public required int Rows { get; init; }

    /// <summary>How often each column was shuffled.</summary>
    public required int Shuffles { get; init; }

    /// <summary>The columns, the largest loss first.</summary>
    public required IReadOnlyList<ColumnEffect> Columns { get; init; }

    /// <summary>Less important columns that were not measured, to keep the time bounded.</summary>
    public int NotMeasured { get; init; }
}

/// <summary>What a model loses without one column.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Shuffled">By how much the score rises when its values are dealt anew among the rows, mean over the shuffles.</param>
/// <param name="Deviation">Standard deviation of that over the shuffles.</param>
/// <param name="LeftOut">By how much the score rises when every row lacks it.</param>
public sealed record ColumnEffect(string Name, double Shuffled, double Deviation, double LeftOut);

/// <summary>How well one label was predicted. A ratio with nothing to divide by is 0.</summary>
public sealed record LabelMetrics
{
    public required string Label { get; init; }

    /// <summary>Of the samples predicted to have the label, the part that has it.</summary>
    public required double Precision { get; init; }

    /// <summary>Of the samples that have the label, the part predicted to have it.</summary>
    public required double Recall { get; init; }

    public required double F1 { get; init; }

    /// <summary>Samples that have the label; entities of the label for entity extraction, where precision and recall are parts of entities, too.</summary>
    public required int Support { get; init; }
}
