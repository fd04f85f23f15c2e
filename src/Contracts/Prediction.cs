using System.Text.Json.Nodes;

namespace Atoll.Contracts;

/// <summary>Samples to predict; exactly one of the three lists.</summary>
/// <remarks>The same route takes <c>text/csv</c> (rows with a header) and <c>multipart/form-data</c> (image files) as well.</remarks>
public sealed record PredictRequest
{
    /// <summary>Rows by column name, for tabular models. A column left out or null is missing.</summary>
    public IReadOnlyList<JsonObject>? Rows { get; init; }

    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>Image files, base64.</summary>
    public IReadOnlyList<string>? Images { get; init; }

    /// <summary>How many labels to give for each sample, best first.</summary>
    public int? Top { get; init; }
}

/// <summary>Predictions in the order of the samples, and who made them.</summary>
public sealed record PredictResponse
{
    public required string Model { get; init; }

    public required int Version { get; init; }

    public required IReadOnlyList<Prediction> Predictions { get; init; }
}

/// <summary>What is predicted for one sample.</summary>
public sealed record Prediction
{
    /// <summary>The most probable label, for classification.</summary>
    public string? Label { get; init; }

    /// <summary>Labels with their probabilities, best first.</summary>
    public IReadOnlyList<LabelProbability>? Labels { get; init; }

    /// <summary>The number, for regression.</summary>
    public double? Value { get; init; }

    /// <summary>Bounds of the 90 % interval, where the model has one.</summary>
    public double? Lower { get; init; }

    public double? Upper { get; init; }
}

/// <summary>A label with its probability; for multi-label models also whether it is above its threshold.</summary>
public sealed record LabelProbability(string Label, double Probability, bool? Selected = null);
