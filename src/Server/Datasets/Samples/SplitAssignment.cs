namespace Atoll.Datasets;

/// <summary>Divides samples into train and test: by what they are and a seed, never by their order, and evenly over the labels.</summary>
/// <remarks>Equal samples always land together, so that a duplicate cannot leak from one split into the other.</remarks>
internal static class SplitAssignment
{
    /// <summary>Above this number the share is kept by chance alone, which then is exact enough, and costs no memory.</summary>
    public const int ExactMax = 2_000_000;

    public static void Assign(SamplePackWriter pack, int seed, double testFraction)
    {
        if (pack.Count <= ExactMax) AssignExactly(pack, seed, testFraction);
        else pack.Revise((_, record) => record.Split == Split.Unassigned ? record with { Split = ByChance(record.Hash, seed, testFraction) } : record);
    }

    private static void AssignExactly(SamplePackWriter pack, int seed, double testFraction)
    {
        var strata = new Dictionary<int, List<ulong>>();
        pack.Revise((_, record) =>
        {
            if (record.Split != Split.Unassigned) return record;

            if (!strata.TryGetValue(record.Label, out var hashes)) strata[record.Label] = hashes = [];
            hashes.Add(StableHash.Reseed(record.Hash, seed));
            return record;
        });

        // Test takes the lowest hashes of each label.
        var bounds = strata.ToDictionary(pair => pair.Key, pair => Bound(pair.Value, testFraction));
        pack.Revise((_, record) => record.Split == Split.Unassigned
            ? record with { Split = StableHash.Reseed(record.Hash, seed) <= bounds[record.Label] ? Split.Test : Split.Train }
            : record);
    }

    /// <summary>The highest hash that still is test. A label with a single sample keeps it for train.</summary>
    private static ulong? Bound(List<ulong> hashes, double testFraction)
    {
        hashes.Sort();
        int test = (int)Math.Round(hashes.Count * testFraction, MidpointRounding.AwayFromZero);
        if (testFraction > 0) test = Math.Clamp(test, hashes.Count > 1 ? 1 : 0, hashes.Count - 1);
        if (test == 0) return null;

        ulong bound = hashes[test - 1];

        // Duplicates beyond the bound come along, unless that would leave nothing to learn from.
        return bound == hashes[^1] ? LastBelow(hashes, bound) : bound;
    }

    private static ulong? LastBelow(List<ulong> sorted, ulong bound)
    {
        int index = sorted.FindLastIndex(hash => hash < bound);
        return index < 0 ? null : sorted[index];
    }

    private static Split ByChance(ulong hash, int seed, double testFraction) =>
        (StableHash.Reseed(hash, seed) >> 11) * (1.0 / (1UL << 53)) < testFraction ? Split.Test : Split.Train;
}
