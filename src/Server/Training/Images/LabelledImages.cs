namespace Atoll.Training.Images;

/// <summary>Images at the network's size and what is to be learned about them.</summary>
/// <param name="Prepared">The images.</param>
/// <param name="Labels">Per image the positions in <paramref name="LabelNames"/>.</param>
/// <param name="LabelNames">Every label.</param>
/// <param name="IsMultiLabel">Whether an image may have several labels, or none.</param>
internal sealed record LabelledImages(
    PreparedImages Prepared, IReadOnlyList<int[]> Labels, IReadOnlyList<string> LabelNames, bool IsMultiLabel)
{
    public int LabelCount => LabelNames.Count;
}
