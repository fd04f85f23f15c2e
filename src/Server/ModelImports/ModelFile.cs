using Atoll.Contracts;

namespace Atoll.ModelImports;

/// <summary>A model file that was read: the ONNX model that is served, and what the file says about it.</summary>
internal sealed record ModelFile
{
    /// <summary>One of <see cref="ModelFormats"/>.</summary>
    public required string Format { get; init; }

    /// <summary>ONNX; for an ONNX file the file itself, but for outputs that no protocol could carry.</summary>
    public required byte[] Served { get; init; }

    public string? Producer { get; init; }

    /// <summary>In a few words.</summary>
    public required string Algorithm { get; init; }

    /// <summary>The classes in the order of the scores.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>What a file of Atoll's own says about its inputs and outputs; not checked yet.</summary>
    public ModelSignature? Signature { get; init; }

    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Reads a file of any kind that is known; its content tells which.</summary>
    /// <exception cref="ModelRefusedException">It cannot be used.</exception>
    public static ModelFile Read(byte[] source, IReadOnlyList<string>? labels)
    {
        if (source.Length == 0) throw new ModelRefusedException("The file is empty.");
        if (OtherKind(source) is { } other) throw new ModelRefusedException(other);
        return XgboostFile.Read(source, labels) ?? LightGbmFile.Read(source, labels) ?? OnnxFile.Read(source, labels);
    }

    /// <summary>What to do with files that people have and that are none of the known ones.</summary>
    private static string? OtherKind(ReadOnlySpan<byte> source) =>
        source.StartsWith("PK\x3\x4"u8) ? "The file is a zip archive, as PyTorch and Keras write them. Export the model to ONNX (torch.onnx.export, tf2onnx) and import that."
        : source.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'H', (byte)'D', (byte)'F']) ? "The file is HDF5, as Keras writes it. Export the model to ONNX (tf2onnx) and import that."
        : source.StartsWith((ReadOnlySpan<byte>)[0x80]) && source.Length > 1 && source[1] is >= 2 and <= 5 ? "The file is a Python pickle, which is a program and is not run here. Export the model to ONNX (skl2onnx) and import that."
        : source.StartsWith("binf"u8) || source.StartsWith("bs64"u8) ? "The file is of XGBoost's old binary kind. Save the model as model.ubj or model.json and import that."
        : source.Length > 8 && source[4..8].SequenceEqual("ORTM"u8) ? "The file is ONNX Runtime's own form. Import the ONNX file from which it was made."
        : null;
}
