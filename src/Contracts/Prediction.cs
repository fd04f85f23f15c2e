using System.Text.Json.Nodes;

namespace Atoll.Contracts;

/// <summary>Samples to predict; exactly one of the four lists.</summary>
/// <remarks>The same route takes <c>text/csv</c> (rows with a header) and <c>multipart/form-data</c> (image or wav files) as well.</remarks>
public sealed record PredictRequest
{
    /// <summary>Rows by column name, for tabular models. A column left out or null is missing.</summary>
    public IReadOnlyList<JsonObject>? Rows { get; init; }

    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>Image files, base64.</summary>
    public IReadOnlyList<string>? Images { get; init; }

    /// <summary>Wav files, base64.</summary>
    public IReadOnlyList<string>? Sounds { get; init; }

    /// <summary>How many labels to give for each sample, best first.</summary>
    public int? Top { get; init; }

    /// <summary>How many factors to give for each row: columns that moved its prediction most. Also <c>true</c>, for as many as one wants to see. Tabular models only.</summary>
    public int? Explain { get; init; }
}

/// <summary>Predictions in the order of the samples, and who made them.</summary>
public sealed record PredictResponse
{
    public required string Model { get; init; }

    public required int Version { get; init; }

    public required IReadOnlyList<Prediction> Predictions { get; init; }

    /// <summary>Why some of the predictions deserve less trust than the model's scores suggest; absent when nothing speaks against them.</summary>
    public IReadOnlyList<PredictionWarning>? Warnings { get; init; }
}

/// <summary>Something that the model could not go by, or had to go without.</summary>
public sealed record PredictionWarning
{
    /// <summary>One of <see cref="PredictionWarningCodes"/>.</summary>
    public required string Code { get; init; }

    public required string Message { get; init; }

    /// <summary>The first place: <c>rows[3].city</c>, <c>texts[0]</c>.</summary>
    public required string Field { get; init; }

    /// <summary>Samples that it is about.</summary>
    public required int Samples { get; init; }

    /// <summary>Columns that it is about, the most important first, up to ten.</summary>
    public IReadOnlyList<string>? Columns { get; init; }
}

/// <summary>Kinds of warnings beside predictions.</summary>
public static class PredictionWarningCodes
{
    /// <summary>Columns that matter and that were hardly ever missing in the training data have no value.</summary>
    public const string ColumnsLeftOut = "columns-left-out";

    /// <summary>A category that the training data does not have.</summary>
    public const string ValueNotSeen = "value-not-seen";

    /// <summary>A column was sent that gave the target away in the training data; the model does not read it.</summary>
    public const string LeakIgnored = "leak-ignored";

    /// <summary>A text without anything that the training texts have.</summary>
    public const string NothingKnown = "nothing-known";
}

/// <summary>What is predicted for one sample.</summary>
public sealed record Prediction
{
    /// <summary>The most probable label, for classification.</summary>
    public string? Label { get; init; }

    /// <summary>Labels with their probabilities, best first.</summary>
    public IReadOnlyList<LabelProbability>? Labels { get; init; }

    /// <summary>The entities of the text in its order, for entity extraction; empty when there are none.</summary>
    public IReadOnlyList<EntityPrediction>? Entities { get; init; }

    /// <summary>The number, for regression.</summary>
    public double? Value { get; init; }

    /// <summary>Bounds of the 90 % interval, where the model has one.</summary>
    public double? Lower { get; init; }

    public double? Upper { get; init; }

    /// <summary>Why: the columns that moved the prediction most; only when they were asked for.</summary>
    public PredictionFactors? Factors { get; init; }
}

/// <summary>What moved a prediction away from that for a typical row of the training data.</summary>
public sealed record PredictionFactors
{
    /// <summary>What is explained: the label whose probability it is; null for a number.</summary>
    public string? Label { get; init; }

    /// <summary>The probability or number that the model gives for the row.</summary>
    public required double Predicted { get; init; }

    /// <summary>What it gives for a row of typical values.</summary>
    public required double Typical { get; init; }

    /// <summary>The columns that moved it most, the strongest first.</summary>
    public required IReadOnlyList<PredictionFactor> Columns { get; init; }

    /// <summary>What all other columns, and what columns do only together, moved; with the columns it adds up to the difference.</summary>
    public required double Others { get; init; }
}

/// <summary>What one column moved.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Contribution">How far its value moves the prediction from what a typical value would give; in probability, or in units of the target.</param>
/// <param name="Value">The row's value, as text; null when it is missing.</param>
/// <param name="TypicalValue">The typical value that it is compared with; null when missing is typical.</param>
public sealed record PredictionFactor(string Name, double Contribution, string? Value = null, string? TypicalValue = null);

/// <summary>A label with its probability; for multi-label models also whether it is above its threshold.</summary>
public sealed record LabelProbability(string Label, double Probability, bool? Selected = null);

/// <summary>An entity that was found in a text.</summary>
/// <param name="Label">What it is.</param>
/// <param name="Text">The part of the text.</param>
/// <param name="Start">Characters before it, counted as Unicode code points, as Python does; not UTF-16 units as in JavaScript, C# and Java.</param>
/// <param name="End">Characters before what follows it, counted the same.</param>
/// <param name="Probability">That of its least certain word.</param>
public sealed record EntityPrediction(string Label, string Text, int Start, int End, double Probability);
