namespace Atoll.Training.Tabular;

/// <summary>How values of a regression target become scores of mean 0 and deviation 1, and back.</summary>
/// <param name="Logarithm">Whether log(1 + value) is learned, for targets whose errors grow with them.</param>
/// <param name="Mean">Subtracted.</param>
/// <param name="Deviation">Divided by.</param>
internal sealed record ValueScale(bool Logarithm, double Mean, double Deviation)
{
    public static ValueScale Fit(float[] values, bool logarithm)
    {
        var shaped = Array.ConvertAll(values, value => logarithm ? Math.Log(1 + value) : value);
        var mean = shaped.Average();
        return new ValueScale(logarithm, mean, Math.Sqrt(shaped.Average(value => (value - mean) * (value - mean))));
    }

    public float ToScore(float value) => (float)(((Logarithm ? Math.Log(1 + value) : value) - Mean) / Deviation);

    public double ToValue(double score)
    {
        var value = Mean + (score * Deviation);
        return Logarithm ? Math.Exp(value) - 1 : value;
    }
}
