namespace Atoll.Training.Networks;

/// <summary>A learning rate that climbs to a peak and falls to zero over a training.</summary>
internal static class LearningRateTriangle
{
    /// <summary>Where the peak lies.</summary>
    public const double PeakAt = 0.25;

    /// <param name="peak">The largest rate.</param>
    /// <param name="done">Fraction of the training that is done, 0 to 1.</param>
    public static float At(float peak, double done) =>
        (float)(peak * (done < PeakAt ? 0.1 + 0.9 * done / PeakAt : Math.Max(0, (1 - done) / (1 - PeakAt))));
}
