namespace Atoll.Training.Networks;

/// <summary>Seeds that differ for every epoch and sample, so that variants do not depend on the order in which they are made.</summary>
internal static class RandomStreams
{
    /// <param name="seed">Of the training.</param>
    /// <param name="epoch">From 1.</param>
    /// <param name="position">Of the sample in the epoch; -1 for the order itself.</param>
    public static SplitMix64 Of(ulong seed, int epoch, int position)
    {
        var random = new SplitMix64(seed);
        random = new SplitMix64(random.Next() ^ (uint)epoch);
        random = new SplitMix64(random.Next() ^ (uint)position);
        return new SplitMix64(random.Next());
    }
}
