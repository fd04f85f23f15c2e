using System.ComponentModel.DataAnnotations;

namespace Atoll.ModelImports;

/// <summary>Settings of imports of models, section <c>ModelImports</c>.</summary>
internal sealed class ModelImportsOptions
{
    /// <summary>Imports of models at a time.</summary>
    [Range(1, 64)]
    public int Slots { get; set; } = 1;

    /// <summary>Seconds after which the process that tries a model is stopped.</summary>
    [Range(1, 86_400)]
    public int SecondsMax { get; set; } = 300;

    /// <summary>Memory that the process that tries a model may take before it is stopped, in MiB.</summary>
    [Range(256, 1 << 20)]
    public int MemoryMegabytesMax { get; set; } = 2048;

    /// <summary>How long a request that asks to wait for its import does so, in seconds.</summary>
    [Range(1, 600)]
    public int WaitSecondsMax { get; set; } = 90;
}
