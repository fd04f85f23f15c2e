using System.ComponentModel.DataAnnotations;

namespace Atoll.Training;

/// <summary>Settings of training, section <c>Training</c>.</summary>
internal sealed class TrainingOptions
{
    /// <summary>Trainings at a time; each uses one core. 0 takes as many as the machine has cores.</summary>
    [Range(0, 1024)]
    public int Slots { get; set; }

    /// <summary>Memory that one training may take before it is stopped, in MiB.</summary>
    [Range(256, 1 << 20)]
    public int MemoryMegabytesMax { get; set; } = 4096;

    /// <summary>Rows of a table that are used at the most; more are sampled, seeded.</summary>
    [Range(1000, int.MaxValue)]
    public int RowsMax { get; set; } = 1_000_000;

    public int SlotsOrCores => Slots == 0 ? Environment.ProcessorCount : Slots;
}
