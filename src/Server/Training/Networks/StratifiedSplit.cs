namespace Atoll.Training.Networks;

/// <summary>Keeps a share of the samples aside, the same of every label.</summary>
internal static class StratifiedSplit
{
    // With fewer samples of a label there is nothing to spare.
    private const int LabelCountLeast = 4;

    /// <param name="labels">Per sample its labels; samples with the same set are split alike.</param>
    /// <param name="share">Of the samples to keep aside.</param>
    /// <param name="seed">Which ones.</param>
    public static (int[] Train, int[] Validation) Make(IReadOnlyList<int[]> labels, double share, int seed)
    {
        var (train, validation) = (new List<int>(), new List<int>());
        var random = new SplitMix64((ulong)seed);
        foreach (var group in Enumerable.Range(0, labels.Count).GroupBy(i => string.Join(',', labels[i])).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var members = group.ToArray();
            random.Shuffle<int>(members);
            var aside = share == 0 || members.Length < LabelCountLeast ? 0 : Math.Max(1, (int)Math.Round(members.Length * share));
            validation.AddRange(members.AsSpan(0, aside));
            train.AddRange(members.AsSpan(aside));
        }
        // By their number, so that the order of training does not depend on the names of the labels.
        train.Sort();
        validation.Sort();
        return ([.. train], [.. validation]);
    }
}
