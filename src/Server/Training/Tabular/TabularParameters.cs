using Atoll.Contracts;

namespace Atoll.Training.Tabular;

/// <summary>What a person may set for a tabular training, checked.</summary>
internal sealed record TabularParameters
{
    /// <summary>What may be chosen, as a person writes it.</summary>
    public static ParameterTable Table { get; } = new(DatasetTypes.Tabular,
    [
        new TrainerParameter.Choice("task", [TaskKinds.Classification, TaskKinds.Regression], "from the data", "what the target is"),
        new TrainerParameter.Columns("ignore", "none", "columns to leave out"),
        new TrainerParameter.Columns("keep", "none", "columns to use although a check speaks against them"),
        new TrainerParameter.Several("candidates", ["linear", "trees"], "both", "kinds of models to try"),
        new TrainerParameter.Whole("folds", 2, 20, "from the data", "folds of the cross-validation"),
        new TrainerParameter.Whole("trees", 1, 10_000, "2000", "boosting iterations at most"),
        new TrainerParameter.Whole("leaves", 2, 255, "from the data", "leaves of a tree"),
        new TrainerParameter.Number("learning-rate", 0.001, 1, "0.05, or 0.1 where that would need many trees", "of boosting"),
        new TrainerParameter.Choice("balance", ["none", "equal"], "none", "how much labels weigh; with equal, rare ones as much as common ones"),
        new TrainerParameter.Number("blanked", 0, 1, "0.1 to 0.5, by the number of rows", "copies with columns left out that are learned, for each row"),
        new TrainerParameter.Whole("averaged", 1, 100, "up to 16, with 40,000 leaves together", "boosted models, over different seeds, that are averaged"),
        new TrainerParameter.Number("leakage", 0.5, 1, "0.95, regression 0.99", "association from which a column is a leak"),
        new TrainerParameter.Columns("fairness", "none", "columns by whose groups the predictions are compared, for the report; they may be left out of the model"),
        new TrainerParameter.Label("positive", "the last label", "the label by which the groups of 'fairness' are compared"),
    ]);

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

    /// <summary>For each row, copies with columns left out that are learned beside it; null to choose by the number of rows.</summary>
    public double? Blanked { get; init; }

    /// <summary>Boosted models of different seeds that are averaged; null to choose by their size.</summary>
    public int? Averaged { get; init; }

    /// <summary>Columns whose groups are compared in the report.</summary>
    public IReadOnlyList<string> Fairness { get; init; } = [];

    /// <summary>The label by which they are compared; null for the last one.</summary>
    public string? Positive { get; init; }

    public static TabularParameters Parse(IReadOnlyDictionary<string, string> parameters, IReadOnlyList<ColumnValues> columns)
    {
        var values = Table.Read(parameters, [.. columns.Select(column => column.Name)]);
        var defaults = new TabularParameters();
        var candidates = values.Choices("candidates");
        return new TabularParameters
        {
            Task = values.Choice("task"),
            Ignore = values.Columns("ignore"),
            Keep = values.Columns("keep"),
            Linear = candidates?.Contains("linear") ?? true,
            Trees = candidates?.Contains("trees") ?? true,
            Folds = values.Whole("folds"),
            TreesMost = values.Whole("trees") ?? defaults.TreesMost,
            Leaves = values.Whole("leaves"),
            LearningRate = (float?)values.Number("learning-rate"),
            Balance = values.Choice("balance") == "equal",
            Leakage = values.Number("leakage"),
            Blanked = values.Number("blanked"),
            Averaged = values.Whole("averaged"),
            Fairness = values.Columns("fairness"),
            Positive = values.Label("positive"),
        };
    }
}
