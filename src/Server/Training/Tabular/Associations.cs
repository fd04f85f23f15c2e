namespace Atoll.Training.Tabular;

/// <summary>How closely a column goes along with the target, from 0 to 1, whatever their kinds.</summary>
internal static class Associations
{
    private const int Groups = 20;

    /// <summary>Of a number: the larger of the linear correlation and that of its twenty quantile groups.</summary>
    public static double OfNumber(float[] values, TargetValues target)
    {
        var present = Enumerable.Range(0, values.Length).Where(i => float.IsFinite(values[i])).ToArray();
        if (present.Length < TargetValues.RowsLeast) return 0;
        double linear = 0;
        if (target.Loss == LossKind.Softmax)
        {
            for (var k = 0; k < target.Outputs; k++)
                linear = Math.Max(linear, Correlation(present, i => values[i], i => target.Values[i] == k ? 1 : 0));
        }
        else
        {
            linear = Correlation(present, i => values[i], i => target.Values[i]);
        }

        // Rows with equal values stay in one group; many equal ones have a group to themselves.
        Array.Sort(present, (a, b) => values[a] != values[b] ? values[a].CompareTo(values[b]) : a.CompareTo(b));
        var codes = new int[values.Length];
        Array.Fill(codes, -1);
        var size = Math.Max(5, present.Length / Groups);
        var group = 0;
        var inGroup = 0;
        for (var start = 0; start < present.Length;)
        {
            var end = start + 1;
            while (end < present.Length && values[present[end]] == values[present[start]]) end++;
            if (inGroup > 0 && (inGroup >= size || end - start >= size))
            {
                group++;
                inGroup = 0;
            }
            for (var i = start; i < end; i++) codes[present[i]] = group;
            inGroup += end - start;
            start = end;
        }
        return Math.Max(linear, OfCodes(codes, group + 1, target));
    }

    /// <summary>Of groups of rows (-1 is in none): Cramér's V for labels, the correlation ratio for numbers; both corrected for chance.</summary>
    public static double OfCodes(int[] codes, int codeCount, TargetValues target)
    {
        if (codeCount < 2) return 0;
        var outputs = target.IsRegression ? 1 : target.Labels.Count;
        var counts = new double[codeCount];
        var sums = new double[codeCount * outputs];
        var totals = new double[outputs];
        double count = 0, squares = 0;
        for (var i = 0; i < codes.Length; i++)
        {
            if (codes[i] < 0) continue;
            var k = target.IsRegression ? 0 : (int)target.Values[i];
            double value = target.IsRegression ? target.Values[i] : 1;
            counts[codes[i]]++;
            sums[(codes[i] * outputs) + k] += value;
            totals[k] += value;
            squares += value * value;
            count++;
        }
        if (count < TargetValues.RowsLeast) return 0;
        var groups = counts.Count(c => c > 0);
        if (groups < 2) return 0;
        if (target.IsRegression)
        {
            var mean = totals[0] / count;
            var variance = squares - (count * mean * mean);
            if (variance <= 0) return 0;
            double between = 0;
            for (var code = 0; code < codeCount; code++)
            {
                if (counts[code] > 0) between += counts[code] * Math.Pow((sums[code] / counts[code]) - mean, 2);
            }
            var share = between / variance;
            var corrected = 1 - ((1 - share) * (count - 1) / Math.Max(1, count - groups));
            return Math.Sqrt(Math.Clamp(corrected, 0, 1));
        }
        double chi = 0;
        var labels = totals.Count(total => total > 0);
        if (labels < 2) return 0;
        for (var code = 0; code < codeCount; code++)
        {
            for (var k = 0; k < outputs; k++)
            {
                var expected = counts[code] * totals[k] / count;
                if (expected > 0) chi += Math.Pow(sums[(code * outputs) + k] - expected, 2) / expected;
            }
        }

        // Bergsma's correction: without it a column of many rare values looks telling by chance.
        var phi = Math.Max(0, (chi / count) - ((groups - 1.0) * (labels - 1) / (count - 1)));
        var rows = groups - ((groups - 1.0) * (groups - 1) / (count - 1));
        var columns = labels - ((labels - 1.0) * (labels - 1) / (count - 1));
        var least = Math.Min(rows - 1, columns - 1);
        return least <= 0 ? 0 : Math.Min(1, Math.Sqrt(phi / least));
    }

    /// <summary>The absolute correlation of two series over some rows.</summary>
    public static double Correlation(int[] rows, Func<int, double> first, Func<int, double> second)
    {
        double sumX = 0, sumY = 0;
        foreach (var row in rows)
        {
            sumX += first(row);
            sumY += second(row);
        }
        var meanX = sumX / rows.Length;
        var meanY = sumY / rows.Length;
        double xx = 0, yy = 0, xy = 0;
        foreach (var row in rows)
        {
            var x = first(row) - meanX;
            var y = second(row) - meanY;
            xx += x * x;
            yy += y * y;
            xy += x * y;
        }
        return xx <= 0 || yy <= 0 ? 0 : Math.Abs(xy) / Math.Sqrt(xx * yy);
    }
}
