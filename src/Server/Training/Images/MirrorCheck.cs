namespace Atoll.Training.Images;

/// <summary>Finds out whether mirrored images still look like images of their label.</summary>
/// <remarks>
/// Every image asked about is given the label of its nearest other image, as it is and mirrored. Mirrored photos of things
/// are recognised as well as the originals; mirrored digits and letters are not, and learning from them would do harm.
/// </remarks>
internal static class MirrorCheck
{
    private const int Grid = 12;
    private const int NeighboursMax = 1500;
    private const int QueriesMax = 300;
    private const double LossMax = 0.08;

    /// <param name="images">All images.</param>
    /// <param name="indices">Those to look at.</param>
    /// <param name="labels">Per image its labels.</param>
    /// <param name="seed">Of the sample.</param>
    public static MirrorFinding Examine(PreparedImages images, IReadOnlyList<int> indices, IReadOnlyList<int[]> labels, int seed)
    {
        var chosen = indices.ToArray();
        new SplitMix64((ulong)seed).Shuffle<int>(chosen);
        if (chosen.Length > NeighboursMax) chosen = chosen[..NeighboursMax];
        var features = chosen.Select(index => Shrink(images, index, isMirrored: false)).ToArray();
        var queries = Math.Min(QueriesMax, chosen.Length);
        int straight = 0, mirrored = 0;
        for (var query = 0; query < queries; query++)
        {
            if (Recognises(features[query], query)) straight++;
            if (Recognises(Shrink(images, chosen[query], isMirrored: true), query)) mirrored++;
        }
        var (recognised, recognisedMirrored) = ((double)straight / queries, (double)mirrored / queries);
        return new MirrorFinding(recognised, recognisedMirrored, recognisedMirrored >= recognised - LossMax);

        bool Recognises(float[] feature, int itself)
        {
            var (nearest, least) = (-1, float.MaxValue);
            for (var i = 0; i < features.Length; i++)
            {
                if (i == itself) continue;
                var distance = System.Numerics.Tensors.TensorPrimitives.Distance(feature, features[i]);
                if (distance < least) (nearest, least) = (i, distance);
            }
            return nearest >= 0 && labels[chosen[nearest]].AsSpan().SequenceEqual(labels[chosen[itself]]);
        }
    }

    /// <summary>The image's brightness on a coarse grid.</summary>
    private static float[] Shrink(PreparedImages images, int index, bool isMirrored)
    {
        var pixels = images.Pixels[index];
        var sums = new float[Grid * Grid];
        for (var channel = 0; channel < images.Channels; channel++)
        for (var y = 0; y < images.Height; y++)
        for (var x = 0; x < images.Width; x++)
        {
            var column = (isMirrored ? images.Width - 1 - x : x) * Grid / images.Width;
            sums[y * Grid / images.Height * Grid + column] += pixels[(channel * images.Height + y) * images.Width + x];
        }
        return sums;
    }
}

/// <summary>What <see cref="MirrorCheck"/> found.</summary>
/// <param name="Recognised">Share of images whose nearest neighbour has their label.</param>
/// <param name="RecognisedMirrored">The same for the mirrored images.</param>
/// <param name="MayFlip">Whether the second is about as good.</param>
internal sealed record MirrorFinding(double Recognised, double RecognisedMirrored, bool MayFlip);
