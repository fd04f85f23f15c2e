using Atoll.Training.Linear;

namespace Atoll.Training.Tabular;

/// <summary>Derived values shaped for linear models: standardised numbers with missing indicators, one column a category, word counts.</summary>
internal sealed record LinearFeatures
{
    // Beyond this many standard deviations a value says no more, and a slip of a decimal point does no harm.
    public const float LargestDeviation = 8;

    /// <summary>Per number: what missing values are filled with.</summary>
    public required float[] Means { get; init; }

    /// <summary>Per number: one over the standard deviation, 1 for a constant.</summary>
    public required float[] InverseDeviations { get; init; }

    /// <summary>Positions of numbers that have missing values.</summary>
    public required int[] WithMissing { get; init; }

    /// <summary>Positions of numbers that also enter as logarithms, because their values spread over magnitudes.</summary>
    public required int[] Logarithms { get; init; }

    public required float[] LogarithmMeans { get; init; }

    public required float[] LogarithmInverseDeviations { get; init; }

    /// <summary>Where the columns of each category begin.</summary>
    public required int[] CategoryStarts { get; init; }

    /// <summary>Where the columns of each text's words begin.</summary>
    public required int[] WordStarts { get; init; }

    public required int ColumnCount { get; init; }

    /// <summary>Names of the columns, for people.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>The raw column behind each column.</summary>
    public required IReadOnlyList<string> Origins { get; init; }

    public int MissingStart => Means.Length;

    public int LogarithmStart => Means.Length + WithMissing.Length;

    public static LinearFeatures Fit(PreparationPlan plan, PreparedRows rows)
    {
        var numbers = plan.Numbers.Count;
        var means = new float[numbers];
        var inverse = new float[numbers];
        var withMissing = new List<int>();
        var logarithms = new List<int>();
        var logMeans = new List<float>();
        var logInverse = new List<float>();
        for (var i = 0; i < numbers; i++)
        {
            var values = rows.Numbers[i];
            var (mean, deviation, skewness) = Moments(values);
            means[i] = (float)mean;
            inverse[i] = deviation > 0 ? (float)(1 / deviation) : 1;
            if (values.Any(float.IsNaN)) withMissing.Add(i);
            if (Math.Abs(skewness) < 2) continue;
            var (logMean, logDeviation, _) = Moments(Array.ConvertAll(values, Logarithm));
            if (logDeviation <= 0) continue;
            logarithms.Add(i);
            logMeans.Add((float)logMean);
            logInverse.Add((float)(1 / logDeviation));
        }
        var names = new List<string>();
        var origins = new List<string>();
        void Name(string name, string origin)
        {
            names.Add(name);
            origins.Add(origin);
        }
        foreach (var number in plan.Numbers) Name(number.Name, number.Column);
        foreach (var i in withMissing) Name($"{plan.Numbers[i].Name} is missing", plan.Numbers[i].Column);
        foreach (var i in logarithms) Name($"log {plan.Numbers[i].Name}", plan.Numbers[i].Column);
        var categoryStarts = new List<int>();
        foreach (var category in plan.Categories)
        {
            categoryStarts.Add(names.Count);
            foreach (var value in category.Vocabulary)
                Name(value.Length == 0 ? $"{category.Name} is missing" : $"{category.Name} = {value}", category.Column);
            Name($"{category.Name} is another value", category.Column);
        }
        var wordStarts = new List<int>();
        foreach (var words in plan.Words)
        {
            wordStarts.Add(names.Count);
            foreach (var word in words.Vocabulary) Name($"{words.Name} has {word}", words.Column);
        }
        return new LinearFeatures
        {
            Means = means,
            InverseDeviations = inverse,
            WithMissing = [.. withMissing],
            Logarithms = [.. logarithms],
            LogarithmMeans = [.. logMeans],
            LogarithmInverseDeviations = [.. logInverse],
            CategoryStarts = [.. categoryStarts],
            WordStarts = [.. wordStarts],
            ColumnCount = names.Count,
            Names = names,
            Origins = origins,
        };
    }

    public SparseRows Shape(PreparedRows rows)
    {
        var shaped = new SparseRows(ColumnCount);
        for (var row = 0; row < rows.RowCount; row++)
        {
            for (var i = 0; i < Means.Length; i++) shaped.Add(i, Standardise(rows.Numbers[i][row], Means[i], InverseDeviations[i]));
            for (var i = 0; i < WithMissing.Length; i++)
            {
                if (float.IsNaN(rows.Numbers[WithMissing[i]][row])) shaped.Add(MissingStart + i, 1);
            }
            for (var i = 0; i < Logarithms.Length; i++)
            {
                var value = Logarithm(rows.Numbers[Logarithms[i]][row]);
                shaped.Add(LogarithmStart + i, Standardise(value, LogarithmMeans[i], LogarithmInverseDeviations[i]));
            }
            for (var i = 0; i < CategoryStarts.Length; i++) shaped.Add(CategoryStarts[i] + rows.Codes[i][row], 1);
            for (var i = 0; i < WordStarts.Length; i++)
            {
                var words = rows.Words[i][row];
                for (var j = 0; j < words.Length;)
                {
                    var from = j;
                    while (j < words.Length && words[j] == words[from]) j++;
                    shaped.Add(WordStarts[i] + words[from], j - from);
                }
            }
            shaped.EndRow();
        }
        return shaped;
    }

    private static float Standardise(float value, float mean, float inverse) =>
        float.IsNaN(value) ? 0 : Math.Clamp((value - mean) * inverse, -LargestDeviation, LargestDeviation);

    private static float Logarithm(float value) => MathF.CopySign(MathF.Log(1 + MathF.Abs(value)), value);

    private static (double Mean, double Deviation, double Skewness) Moments(float[] values)
    {
        double sum = 0;
        var count = 0;
        foreach (var value in values)
        {
            if (!float.IsFinite(value)) continue;
            sum += value;
            count++;
        }
        if (count == 0) return (0, 0, 0);
        var mean = sum / count;
        double square = 0, cube = 0;
        foreach (var value in values)
        {
            if (!float.IsFinite(value)) continue;
            var distance = value - mean;
            square += distance * distance;
            cube += distance * distance * distance;
        }
        var deviation = Math.Sqrt(square / count);

        // What differs by rounding only is a constant.
        return deviation > 1e-7 * Math.Abs(mean) ? (mean, deviation, cube / count / (deviation * deviation * deviation)) : (mean, 0, 0);
    }
}
