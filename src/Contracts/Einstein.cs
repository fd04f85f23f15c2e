using System.Text.Json.Serialization;

namespace Atoll.Contracts;

/// <summary>A list as clients of the Einstein API expect it.</summary>
public sealed record EinsteinList<T>(IReadOnlyList<T> Data)
{
    public string Object { get; init; } = "list";
}

/// <summary>A label of a dataset, with the number of its examples.</summary>
public sealed record EinsteinLabel
{
    public required long Id { get; init; }

    public required long DatasetId { get; init; }

    public required string Name { get; init; }

    public required long NumExamples { get; init; }
}

/// <summary>The labels of a dataset.</summary>
public sealed record EinsteinLabelSummary(IReadOnlyList<EinsteinLabel> Labels);

/// <summary>A dataset of the Einstein API.</summary>
public sealed record EinsteinDatasetResponse
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    public required string CreatedAt { get; init; }

    public required string UpdatedAt { get; init; }

    public required EinsteinLabelSummary LabelSummary { get; init; }

    public required long TotalExamples { get; init; }

    public required long TotalLabels { get; init; }

    public required bool Available { get; init; }

    /// <summary><c>UPLOADING</c>, <c>SUCCEEDED</c>, or <c>FAILED: </c> and why.</summary>
    public required string StatusMsg { get; init; }

    public required string Type { get; init; }

    public required string Language { get; init; }

    public required long NumOfDuplicates { get; init; }

    public string Object { get; init; } = "dataset";
}

/// <summary>An example of a dataset.</summary>
public sealed record EinsteinExampleResponse
{
    public required long Id { get; init; }

    public required string Name { get; init; }

    /// <summary>The text itself; of an image the address of its bytes, for callers with a credential.</summary>
    public required string Location { get; init; }

    public required string CreatedAt { get; init; }

    public required EinsteinLabel Label { get; init; }

    public string Object { get; init; } = "example";
}

/// <summary>What became of a wish to delete something.</summary>
public sealed record EinsteinDeletionResponse
{
    public required string Id { get; init; }

    /// <summary><c>DATASET</c> or <c>MODEL</c>.</summary>
    public required string Type { get; init; }

    public required string Status { get; init; }

    public required double Progress { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Message { get; init; }

    public string Object { get; init; } = "deletion";

    public required string OrganizationId { get; init; }

    public required string DeletedObjectId { get; init; }
}

/// <summary>A training, and the model that it makes.</summary>
public sealed record EinsteinTrainingResponse
{
    public required long DatasetId { get; init; }

    public required long DatasetVersionId { get; init; }

    public required string Name { get; init; }

    /// <summary>QUEUED, RUNNING, SUCCEEDED, FAILED or KILLED.</summary>
    public required string Status { get; init; }

    public required double Progress { get; init; }

    public required string CreatedAt { get; init; }

    public required string UpdatedAt { get; init; }

    public required double LearningRate { get; init; }

    public required int Epochs { get; init; }

    /// <summary>Place among the trainings of the tenant that wait.</summary>
    public int? QueuePosition { get; init; }

    public string Object { get; init; } = "training";

    public required string ModelId { get; init; }

    /// <summary>The text that was sent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? TrainParams { get; init; }

    /// <summary>Null until the end.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public EinsteinTrainStats? TrainStats { get; init; }

    public required string ModelType { get; init; }

    public string? Language { get; init; }

    public string? Algorithm { get; init; }

    public string? FailureMsg { get; init; }
}

/// <summary>What a training took.</summary>
public sealed record EinsteinTrainStats
{
    public required int Labels { get; init; }

    public required long Examples { get; init; }

    /// <summary>Hours, minutes, seconds, milliseconds: <c>00:02:28:577</c>.</summary>
    public required string TotalTime { get; init; }

    public int? LastEpochDone { get; init; }

    public required long TrainSplitSize { get; init; }

    public required long TestSplitSize { get; init; }
}

/// <summary>A model in the list of a dataset's models.</summary>
public sealed record EinsteinModelResponse
{
    public required long DatasetId { get; init; }

    public required long DatasetVersionId { get; init; }

    public required string Name { get; init; }

    public required string Status { get; init; }

    public required double Progress { get; init; }

    public required string CreatedAt { get; init; }

    public required string UpdatedAt { get; init; }

    public required string ModelId { get; init; }

    public required string ModelType { get; init; }

    public string? Algorithm { get; init; }

    public string? Language { get; init; }

    public string? FailureMsg { get; init; }

    public string Object { get; init; } = "model";
}

/// <summary>How good a model is on the examples that it did not learn from.</summary>
public sealed record EinsteinMetricsResponse
{
    public required string Id { get; init; }

    public string Object { get; init; } = "metrics";

    public required string CreatedAt { get; init; }

    public string? Algorithm { get; init; }

    public string? Language { get; init; }

    public required EinsteinMetrics MetricsData { get; init; }
}

/// <summary>Scores of a model, or of one epoch of its training; what is not known is left out.</summary>
public sealed record EinsteinMetrics
{
    public IReadOnlyList<string>? Labels { get; init; }

    public IReadOnlyList<double>? F1 { get; init; }

    public double? MacroF1 { get; init; }

    public IReadOnlyList<double>? Precision { get; init; }

    public IReadOnlyList<double>? Recall { get; init; }

    public IReadOnlyList<IReadOnlyList<int>>? ConfusionMatrix { get; init; }

    public double? TestAccuracy { get; init; }

    public double? TestLoss { get; init; }

    public double? TrainingLoss { get; init; }
}

/// <summary>An epoch of a training.</summary>
public sealed record EinsteinLearningCurveResponse
{
    public required int Epoch { get; init; }

    public required EinsteinMetrics MetricsData { get; init; }

    /// <summary>Empty: single examples are not kept.</summary>
    public IReadOnlyList<string> EpochResults { get; init; } = [];

    public string Object { get; init; } = "learningcurve";
}

/// <summary>Predictions of a calendar month.</summary>
public sealed record EinsteinUsageResponse
{
    public required string Id { get; init; }

    public required string OrganizationId { get; init; }

    public required string StartsAt { get; init; }

    public required string EndsAt { get; init; }

    public required IReadOnlyList<EinsteinPlan> PlanData { get; init; }

    public required string LicenseId { get; init; }

    public string Object { get; init; } = "apiusage";

    public required long PredictionsRemaining { get; init; }

    public required long PredictionsUsed { get; init; }

    public required long PredictionsMax { get; init; }
}

/// <summary>A plan, which clients expect to see; Atoll has limits of tenants instead.</summary>
public sealed record EinsteinPlan(string Plan, int Amount, string Source);

/// <summary>A label and how sure the model is of it.</summary>
public sealed record EinsteinProbability(string Label, double Probability);

/// <summary>What a model says of an image or a text.</summary>
public sealed record EinsteinPredictionResponse
{
    public required IReadOnlyList<EinsteinProbability> Probabilities { get; init; }

    public string? SampleId { get; init; }

    public string Object { get; init; } = "predictresponse";
}
