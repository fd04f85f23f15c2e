using Atoll.Datasets;
using Atoll.Platform.Audio;
using Atoll.Platform.Imaging;

namespace Atoll.Training;

/// <summary>Texts to learn from.</summary>
/// <param name="Texts">Raw texts.</param>
/// <param name="Labels">Per text the positions in <paramref name="LabelNames"/>: one for single label, any number for multi-label.</param>
/// <param name="LabelNames">Every label, in the order of the model's outputs.</param>
internal sealed record TextExamples(IReadOnlyList<string> Texts, IReadOnlyList<int[]> Labels, IReadOnlyList<string> LabelNames)
{
    /// <summary>So many of the last texts were set aside by the customer to choose by; 0 lets the trainer set aside its own.</summary>
    public int ValidationCount { get; init; }

    public TextExamples WithValidation(TextExamples validation) => new([.. Texts, .. validation.Texts], [.. Labels, .. validation.Labels], LabelNames)
    {
        ValidationCount = ValidationSplit.Usable(validation.Texts.Count),
    };
}

/// <summary>Texts with marked entities to learn from.</summary>
/// <param name="Samples">Texts and what is marked in them.</param>
/// <param name="LabelNames">Every label.</param>
internal sealed record EntityExamples(IReadOnlyList<EntitySample> Samples, IReadOnlyList<string> LabelNames)
{
    /// <summary>So many of the last texts were set aside by the customer to choose by; 0 lets the trainer set aside its own.</summary>
    public int ValidationCount { get; init; }

    public EntityExamples WithValidation(EntityExamples validation) => new([.. Samples, .. validation.Samples], LabelNames)
    {
        ValidationCount = ValidationSplit.Usable(validation.Samples.Count),
    };
}

/// <summary>Images to learn from.</summary>
/// <param name="Count">Number of images.</param>
/// <param name="Decode">Gives the pixels of an image; called once per image and in any order.</param>
/// <param name="Labels">Per image the positions in <paramref name="LabelNames"/>.</param>
/// <param name="LabelNames">Every label, in the order of the model's outputs.</param>
internal sealed record ImageExamples(int Count, Func<int, RgbImage> Decode, IReadOnlyList<int[]> Labels, IReadOnlyList<string> LabelNames)
{
    /// <summary>So many of the last images were set aside by the customer to choose by; 0 lets the trainer set aside its own.</summary>
    public int ValidationCount { get; init; }

    public ImageExamples WithValidation(ImageExamples validation) => new(
        Count + validation.Count, i => i < Count ? Decode(i) : validation.Decode(i - Count), [.. Labels, .. validation.Labels], LabelNames)
    {
        ValidationCount = ValidationSplit.Usable(validation.Count),
    };
}

/// <summary>Sounds to learn from.</summary>
/// <param name="Count">Number of sounds.</param>
/// <param name="Decode">Gives the samples of a sound at its own rate; called in any order.</param>
/// <param name="Labels">Per sound the position in <paramref name="LabelNames"/>.</param>
/// <param name="LabelNames">Every label, in the order of the model's outputs.</param>
internal sealed record SoundExamples(int Count, Func<int, AudioClip> Decode, IReadOnlyList<int[]> Labels, IReadOnlyList<string> LabelNames)
{
    /// <summary>So many of the last sounds were set aside by the customer to choose by; 0 lets the trainer set aside its own.</summary>
    public int ValidationCount { get; init; }

    public SoundExamples WithValidation(SoundExamples validation) => new(
        Count + validation.Count, i => i < Count ? Decode(i) : validation.Decode(i - Count), [.. Labels, .. validation.Labels], LabelNames)
    {
        ValidationCount = ValidationSplit.Usable(validation.Count),
    };
}

/// <summary>A table to learn from, by columns.</summary>
/// <param name="Columns">Every column, the target included.</param>
/// <param name="RowCount">Number of rows.</param>
/// <param name="Target">Name of the column to predict.</param>
internal sealed record TabularExamples(IReadOnlyList<ColumnValues> Columns, int RowCount, string Target)
{
    /// <summary>So many of the last rows were set aside by the customer to choose by; 0 lets the trainer set aside its own.</summary>
    public int ValidationCount { get; init; }

    public TabularExamples WithValidation(TabularExamples validation) => new(
        [
            .. Columns.Zip(validation.Columns, (column, other) => column with
            {
                Numbers = column.Numbers is null ? null : [.. column.Numbers, .. other.Numbers!],
                Texts = column.Texts is null ? null : [.. column.Texts, .. other.Texts!],
            }),
        ],
        RowCount + validation.RowCount, Target)
    {
        ValidationCount = ValidationSplit.Usable(validation.RowCount),
    };
}

/// <summary>The customer's own validation samples, as the trainers use them.</summary>
internal static class ValidationSplit
{
    // Fewer would choose by chance; they are learned from like all others.
    private const int Least = 20;

    public static int Usable(int count) => count >= Least ? count : 0;
}

/// <summary>The values of one column; numbers or texts, never both.</summary>
internal sealed record ColumnValues
{
    public required string Name { get; init; }

    /// <summary>One of <see cref="Contracts.ColumnTypes"/>.</summary>
    public required string Type { get; init; }

    /// <summary>Values of a numeric column; NaN is missing.</summary>
    public float[]? Numbers { get; init; }

    /// <summary>Values of any other column, as they stand in the source; null is missing.</summary>
    public string?[]? Texts { get; init; }
}
