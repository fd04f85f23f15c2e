using Atoll.Contracts;

namespace Atoll.Training.Evaluation;

/// <summary>Puts predictions into ten bins by how sure the model says to be, and counts how often it is right in each.</summary>
internal sealed class Calibration
{
    private const int Bins = 10;

    private readonly double[] _stated = new double[Bins];
    private readonly int[] _right = new int[Bins];
    private readonly int[] _counts = new int[Bins];

    public void Add(double probability, bool isRight)
    {
        var bin = Math.Clamp((int)(probability * Bins), 0, Bins - 1);
        _stated[bin] += probability;
        _counts[bin]++;
        if (isRight) _right[bin]++;
    }

    /// <summary>The expected calibration error: the gap between stated and observed, each bin weighing by its predictions.</summary>
    public double Error
    {
        get
        {
            double error = 0;
            for (var bin = 0; bin < Bins; bin++) error += Math.Abs(_stated[bin] - _right[bin]);
            return error / Math.Max(1, _counts.Sum());
        }
    }

    /// <summary>The bins that hold predictions.</summary>
    public List<CalibrationBin> ToTable()
    {
        var table = new List<CalibrationBin>();
        for (var bin = 0; bin < Bins; bin++)
        {
            var count = _counts[bin];
            if (count == 0) continue;
            var (lower, upper) = Confidence.Wilson(_right[bin], count);
            table.Add(new CalibrationBin((double)bin / Bins, (bin + 1.0) / Bins, count, _stated[bin] / count, (double)_right[bin] / count, lower, upper));
        }
        return table;
    }
}
