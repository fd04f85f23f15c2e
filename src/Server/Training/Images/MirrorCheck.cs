using System.Numerics.Tensors;

namespace Atoll.Training.Images;

/// <summary>Finds out of which labels mirrored images may be learned from.</summary>
/// <remarks>
/// Every image asked about is compared with the others, as it is and mirrored. A mirrored digit, letter or arrow is no longer
/// like the others of its label: those labels are left alone. Where so simple a comparison does not recognise the originals
/// either, as with photos, the images show things from any side and mirrors only help.
/// </remarks>
internal static class MirrorCheck
{
    private const int Grid = 12;
    private const int NeighboursMax = 2000;
    private const int QueriesMax = 1000;
    private const double RecognisedLeast = 0.6;
    private const double MirroredShareLeast = 0.6;

    /// <returns>Per label whether its images may be mirrored.</returns>
    /// <param name="images">All images.</param>
    /// <param name="indices">Those to look at.</param>
    /// <param name="seed">Of the sample.</param>
    public static bool[] Examine(LabelledImages images, IReadOnlyList<int> indices, int seed)
    {
        var chosen = indices.ToArray();
        new SplitMix64((ulong)seed).Shuffle<int>(chosen);
        if (chosen.Length > NeighboursMax) chosen = chosen[..NeighboursMax];
        var features = chosen.Select(index => Shrink(images.Prepared, index, isMirrored: false)).ToArray();
        var (recognised, mirrored, asked) = (new int[images.LabelCount], new int[images.LabelCount], new int[images.LabelCount]);
        for (var query = 0; query < Math.Min(QueriesMax, chosen.Length); query++)
        {
            var like = Nearest(features[query], query);
            var likeMirrored = Nearest(Shrink(images.Prepared, chosen[query], isMirrored: true), query);
            foreach (var label in images.Labels[chosen[query]])
            {
                asked[label]++;
                if (like.Contains(label)) recognised[label]++;
                if (likeMirrored.Contains(label)) mirrored[label]++;
            }
        }
        return [.. Enumerable.Range(0, images.LabelCount).Select(label =>
            recognised[label] < RecognisedLeast * asked[label] || mirrored[label] >= MirroredShareLeast * recognised[label])];

        int[] Nearest(float[] feature, int itself)
        {
            var (nearest, least) = (-1, float.MaxValue);
            for (var i = 0; i < features.Length; i++)
            {
                if (i == itself) continue;
                var distance = TensorPrimitives.Distance(feature, features[i]);
                if (distance < least) (nearest, least) = (i, distance);
            }
            return nearest < 0 ? [] : images.Labels[chosen[nearest]];
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
