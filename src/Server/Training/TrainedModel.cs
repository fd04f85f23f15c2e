using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Training;

/// <summary>What a trainer gives back: a model that takes raw samples, and how it was chosen.</summary>
/// <remarks>
/// Outputs by task. Classification: <c>label</c> BYTES [N] and <c>probabilities</c> FP32 [N, labels]. Multi-label:
/// <c>probabilities</c> FP32 [N, labels] and <c>selected</c> BOOL [N, labels]. Regression: <c>value</c> FP32 [N] and,
/// where the trainer knows them, <c>lower</c> and <c>upper</c> FP32 [N], a 90 % interval. Entity extraction: <c>label</c> BYTES,
/// <c>start</c> and <c>end</c> INT64 in code points, <c>probability</c> FP32, all [N, the most entities of a text]; "", -1 and 0 where a text has fewer.
/// Inputs by sample type. Tabular: one input per column, [N, 1], FP32 with NaN for missing or BYTES with "" for missing,
/// named as the column. Text: <c>text</c> BYTES [N]. Image: <c>image</c> UINT8 [N, height, width, 3], RGB, any size. Audio: <c>audio</c> FP32 [N, samples],
/// one channel from -1 to 1 at the rate of the signature, any length.
/// </remarks>
internal sealed record TrainedModel
{
    /// <summary>The model in ONNX's binary form, preparation included.</summary>
    public required byte[] Onnx { get; init; }

    public required ModelSignature Signature { get; init; }

    /// <summary>The candidate that won, in a few words: <c>gradient-boosted trees</c>.</summary>
    public required string Algorithm { get; init; }

    /// <summary>Every candidate that was tried, with its validation score.</summary>
    public IReadOnlyList<CandidateScore> Candidates { get; init; } = [];

    /// <summary>How the columns that it reads are spread, of tables.</summary>
    public IReadOnlyList<ColumnSummary>? Columns { get; init; }

    /// <summary>How raw columns became features, what was left out and why. Shown to people; kept with the version.</summary>
    public JsonObject? Preparation { get; init; }
}

/// <summary>A candidate of model selection.</summary>
/// <param name="Name">Algorithm and settings.</param>
/// <param name="Metric">Name of the score.</param>
/// <param name="Score">Mean over the validation folds.</param>
internal sealed record CandidateScore(string Name, string Metric, double Score);
