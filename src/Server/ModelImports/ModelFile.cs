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

    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Reads a file of any kind that is known; its content tells which.</summary>
    /// <exception cref="ModelRefusedException">It cannot be used.</exception>
    public static ModelFile Read(byte[] source, IReadOnlyList<string>? labels)
    {
        if (source.Length == 0) throw new ModelRefusedException("The file is empty.");
        return OnnxFile.Read(source, labels);
    }
}
