namespace Atoll.Contracts;

/// <summary>How well a model did on samples that it never saw in training.</summary>
public sealed record EvaluationReport
{
    /// <summary>One of <see cref="TaskKinds"/>.</summary>
    public required string Task { get; init; }

    /// <summary>Samples that were predicted.</summary>
    public required int SampleCount { get; init; }

    /// <summary>Scores by name (<see cref="MetricNames"/>). A score that the samples do not define is absent, never 0 or NaN.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>Rows and columns of <see cref="ConfusionMatrix"/>: the model's labels, then labels that only the samples have.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Counts; the row is the actual label, the column the predicted one. Classification only.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? ConfusionMatrix { get; init; }

    /// <summary>Scores of each label, in the order of <see cref="Labels"/>.</summary>
    public IReadOnlyList<LabelMetrics>? PerLabel { get; init; }
}

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
