using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Training.Tabular;

/// <summary>What a person may set for a tabular training, checked.</summary>
internal sealed record TabularParameters
{
    private static readonly string[] Known =
        ["task", "ignore", "keep", "candidates", "folds", "trees", "leaves", "learning-rate", "balance", "leakage", "blanked", "averaged", "threads"];

    /// <summary>One of <see cref="TaskKinds"/>; null to infer it from the target.</summary>
    public string? Task { get; init; }

    /// <summary>Columns to leave out.</summary>
    public IReadOnlyList<string> Ignore { get; init; } = [];

    /// <summary>Columns to use although a check speaks against them.</summary>
    public IReadOnlyList<string> Keep { get; init; } = [];

    public bool Linear { get; init; } = true;

    public bool Trees { get; init; } = true;

    /// <summary>Folds of the cross-validation; null to choose by the number of rows.</summary>
    public int? Folds { get; init; }

    /// <summary>Boosting iterations at most; cross-validation finds the best number below it.</summary>
    public int TreesMost { get; init; } = 2000;

    public int? Leaves { get; init; }

    public float? LearningRate { get; init; }

    /// <summary>Whether every label weighs the same in sum, however rare it is.</summary>
    public bool Balance { get; init; }

    /// <summary>Association with the target above which a column counts as a leak; null for the default of the task.</summary>
    public double? Leakage { get; init; }

    /// <summary>For each row, copies with columns left out that are learned beside it.</summary>
    public double Blanked { get; init; } = 0.25;

    /// <summary>Boosted models of different seeds that are averaged; null to choose by their size.</summary>
    public int? Averaged { get; init; }

    /// <summary>Folds that are trained at the same time.</summary>
    public int Threads { get; init; } = 1;

    public static TabularParameters Parse(IReadOnlyDictionary<string, string> parameters, IReadOnlyList<ColumnValues> columns)
    {
        foreach (var name in parameters.Keys)
        {
            if (!Known.Contains(name))
                throw new TrainingRefusedException($"Parameter '{name}' is not known. Known ones: {string.Join(", ", Known)}.");
        }
        string? Text(string name) => parameters.TryGetValue(name, out var value) ? value.Trim() : null;
        string? Choice(string name, params ReadOnlySpan<string> choices)
        {
            var text = Text(name);
            if (text is null || choices.Contains(text)) return text;
            throw new TrainingRefusedException($"Parameter '{name}' is one of {string.Join(", ", choices.ToArray())}, not '{text}'.");
        }
        double? Number(string name, double least, double most)
        {
            if (Text(name) is not { } text) return null;
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
                return value;
            throw new TrainingRefusedException(string.Create(
                CultureInfo.InvariantCulture, $"Parameter '{name}' is a number from {least} to {most}, not '{text}'."));
        }
        int? Whole(string name, int least, int most)
        {
            var value = Number(name, least, most);
            if (value is { } number && number != Math.Floor(number))
                throw new TrainingRefusedException($"Parameter '{name}' is a whole number, not '{Text(name)}'.");
            return (int?)value;
        }
        string[] Columns(string name)
        {
            var names = (Text(name) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            foreach (var column in names)
            {
                if (!columns.Any(c => c.Name == column))
                    throw new TrainingRefusedException($"Parameter '{name}' names column '{column}', which the table does not have.");
            }
            return names;
        }

        var candidates = (Text("candidates") ?? "linear,trees").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (candidates.Length == 0 || candidates.Any(candidate => candidate is not ("linear" or "trees")))
            throw new TrainingRefusedException($"Parameter 'candidates' is 'linear', 'trees' or 'linear,trees', not '{Text("candidates")}'.");
        return new TabularParameters
        {
            Task = Choice("task", TaskKinds.Classification, TaskKinds.Regression),
            Ignore = Columns("ignore"),
            Keep = Columns("keep"),
            Linear = candidates.Contains("linear"),
            Trees = candidates.Contains("trees"),
            Folds = Whole("folds", 2, 20),
            TreesMost = Whole("trees", 1, 10_000) ?? 2000,
            Leaves = Whole("leaves", 2, 255),
            LearningRate = (float?)Number("learning-rate", 0.001, 1),
            Balance = Choice("balance", "none", "equal") == "equal",
            Leakage = Number("leakage", 0.5, 1),
            Blanked = Number("blanked", 0, 1) ?? 0.25,
            Averaged = Whole("averaged", 1, 100),
            Threads = Whole("threads", 1, 64) ?? 1,
        };
    }
}
