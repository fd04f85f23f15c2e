using System.ComponentModel.DataAnnotations;

namespace Atoll.Training;

/// <summary>Settings of training, section <c>Training</c>.</summary>
internal sealed class TrainingOptions
{
    /// <summary>Trainings at a time. 0 takes as many as the machine has cores.</summary>
    [Range(0, 1024)]
    public int Slots { get; set; }

    /// <summary>Threads of one training. The model does not depend on it.</summary>
    [Range(1, 1024)]
    public int Threads { get; set; } = 2;

    /// <summary>Minutes after which a training is stopped, whatever it asked for. After four fifths of them it ends with its best model so far.</summary>
    [Range(0.001, 100_000)]
    public double MinutesMax { get; set; } = 480;

    /// <summary>Memory that one training may take before it is stopped, in MiB.</summary>
    [Range(256, 1 << 20)]
    public int MemoryMegabytesMax { get; set; } = 4096;

    /// <summary>Rows of a table that are used at the most; more are sampled, seeded.</summary>
    [Range(1000, int.MaxValue)]
    public int RowsMax { get; set; } = 1_000_000;

    public int SlotsOrCores => Slots == 0 ? Environment.ProcessorCount : Slots;
}
