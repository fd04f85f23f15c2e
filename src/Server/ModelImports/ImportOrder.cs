using System.Text.Json;
using System.Text.Json.Serialization;
using Atoll.Contracts;

namespace Atoll.ModelImports;

/// <summary>What the process that tries a model is told: <c>order.json</c> in its folder.</summary>
internal sealed record ImportOrder
{
    /// <summary>The uploaded file.</summary>
    public required string SourcePath { get; init; }

    public IReadOnlyList<string>? Labels { get; init; }

    public required int MemoryMegabytesMax { get; init; }

    public required int SecondsMax { get; init; }
}

/// <summary>What that process leaves in its folder: <c>result.json</c>, beside <c>serving.bin</c> and, for what it converted, <c>model.onnx</c>.</summary>
internal sealed record ImportResult
{
    /// <summary>Why the model is not taken, in words for the tenant; nothing else is set then.</summary>
    public string? Refusal { get; init; }

    /// <summary>The uploaded file was of another kind; <c>model.onnx</c> is what became of it.</summary>
    public bool IsConverted { get; init; }

    public string Algorithm { get; set; } = "";

    public ModelSignature? Signature { get; init; }

    public ModelImportReport? Report { get; init; }
}

/// <summary>How that process and its parent write and read JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(ImportOrder))]
[JsonSerializable(typeof(ImportResult))]
internal sealed partial class ImportJson : JsonSerializerContext;

/// <summary>Files in the folder of the process that tries a model.</summary>
internal static class ImportFiles
{
    public const string Order = "order.json";
    public const string Result = "result.json";
    public const string Model = "model.onnx";
    public const string Serving = "serving.bin";
}

/// <summary>The model is not taken; the message is for the tenant.</summary>
internal sealed class ModelRefusedException(string message) : Exception(message);
