using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Training.Tabular;

/// <summary>Learns to predict one column of a table from the others.</summary>
internal static class TabularTrainer
{
    private static readonly string[] LabelOutputs = ["label", "probabilities"];
    private static readonly string[] ValueOutputs = ["value", "lower", "upper"];

    public static TrainedModel Train(
        TabularExamples examples, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken) =>
        Fit(examples, settings, report, cancellationToken).Trained;

    /// <summary>Trains, and also gives the model as the trainer knows it, to compare with the exported one.</summary>
    internal static (TrainedModel Trained, TabularModel Model) Fit(
        TabularExamples examples, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        var targetColumn = Check(examples);
        var parameters = TabularParameters.Parse(settings.Parameters, examples.Columns);
        var target = TargetValues.Read(targetColumn, examples.RowCount, parameters.Task);
        CheckFairness(parameters, target, targetColumn.Name);
        var columns = examples.Columns.Where(column => column != targetColumn).Select(column => Cut(column, target.Rows, examples.RowCount)).ToArray();

        report.Progress("prepare columns", 0);
        var (plan, preparation) = ColumnPreparation.Fit(columns, target, targetColumn.Name, parameters);
        if (plan.Inputs.Count == 0) throw new TrainingRefusedException($"No column is left to learn from. {ReasonsOf(preparation)}");
        RefuseOutputNames(plan, target);
        var leaks = preparation["columns"]!.AsArray().Where(entry => entry!["leak"] is not null).ToList();
        foreach (var leak in leaks) report.Log($"'{leak!["name"]}' is left out: it {leak["dropped"]}.");
        foreach (var warning in preparation["warnings"]!.AsArray()) report.Log(warning!.GetValue<string>());
        if (target.Rows.Length < examples.RowCount) report.Log($"{examples.RowCount - target.Rows.Length} rows without a target are left out.");

        var rows = plan.Apply(columns, target.Rows.Length);
        var validation = target.Rows.Count(row => row >= examples.RowCount - examples.ValidationCount);
        var usesOwn = parameters.Folds is null && ValidationSplit.Usable(validation) > 0;
        var folds = usesOwn ? Folds.Own(target.Rows.Length, validation) : Folds.Split(target, parameters.Folds, (ulong)(uint)settings.Seed);
        if (usesOwn) report.Log($"Chosen by the {validation} rows of the validation split, then learned from all rows.");
        var (allRows, allTargets, allFolds) = BlankedCopies.Add(plan, rows, target, folds, parameters.Blanked ?? BlankedCopies.ShareFor(target.Rows.Length), (ulong)(uint)settings.Seed);
        var search = new CandidateSearch(plan, allRows, allTargets, allFolds, parameters, settings, report, cancellationToken);
        var candidates = search.Run();
        if (candidates.Count == 0) throw new TrainingRefusedException("The time limit left no candidate; raise it, or set 'candidates' to linear.");
        var weights = Blend.Choose(candidates, search.Score);

        var members = new List<ModelMember>();
        for (var i = 0; i < candidates.Count; i++)
        {
            if (weights[i] > 0) members.Add(candidates[i].Refit(weights[i]));
        }
        var heldOut = new double[allTargets.Values.Length * target.Width];
        for (var c = 0; c < candidates.Count; c++)
        {
            for (var i = 0; i < heldOut.Length; i++) heldOut[i] += weights[c] * candidates[c].Outputs[i];
        }
        var score = search.Score(heldOut);
        var held = folds.AllHeld;
        var interval = target.IsRegression
            ? PredictionInterval.Fit(Array.ConvertAll(held, row => heldOut[row]), Array.ConvertAll(held, row => target.Values[row]))
            : null;
        var model = new TabularModel(plan, target, members, interval);
        var onnx = TabularGraph.Write(model);

        var scores = candidates.Select(candidate => new CandidateScore(candidate.Name, search.MetricName, candidate.Score)).ToList();
        if (members.Count > 1) scores.Add(new CandidateScore("mean of several", search.MetricName, score));
        var algorithm = members.Count == 1
            ? members[0].Name
            : "mean of " + string.Join(" and ", members.Select(member => string.Create(CultureInfo.InvariantCulture, $"{member.Name} ({member.Weight:0.00})")));
        report.Log($"Chosen: {algorithm}.");
        report.Metric($"selection/{search.MetricName}", score, 0);
        report.Progress("done", 1);

        Importance.Describe(model, preparation);
        DescribeTarget(target, targetColumn.Name, examples.RowCount, preparation);
        preparation["selection"] = new JsonObject
        {
            ["folds"] = folds.Count,
            ["held out"] = usesOwn ? "the validation split" : "parts of the training split",
            ["metric"] = search.MetricName,
            ["score"] = score,
            ["members"] = new JsonArray([.. members.Select(member => (JsonNode)new JsonObject { ["name"] = member.Name, ["weight"] = member.Weight })]),
        };
        if (interval is not null) preparation["interval"] = new JsonObject { ["coverage"] = PredictionInterval.Coverage, ["method"] = "split conformal by predicted value" };
        var trained = new TrainedModel
        {
            Onnx = onnx,
            Signature = SignatureOf(plan, target, targetColumn.Name, Importance.Shares(model)) with
            {
                Leaks = leaks.Count > 0 ? leaks.ConvertAll(leak => leak!["name"]!.GetValue<string>()) : null,
            },
            Algorithm = algorithm,
            Candidates = scores,
            Preparation = preparation,
        };
        return (trained, model);
    }

    private static ColumnValues Check(TabularExamples examples)
    {
        var target = examples.Columns.FirstOrDefault(column => column.Name == examples.Target)
            ?? throw new TrainingRefusedException(
                $"The table has no column '{examples.Target}' to predict. It has: {string.Join(", ", examples.Columns.Select(column => column.Name).Take(50))}.");
        var twice = examples.Columns.GroupBy(column => column.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null) throw new TrainingRefusedException($"The table has more than one column '{twice.Key}'. Rename one of them.");
        foreach (var column in examples.Columns)
        {
            if ((column.Numbers?.Length ?? column.Texts?.Length) != examples.RowCount)
                throw new ArgumentException($"Column '{column.Name}' does not have {examples.RowCount} values.", nameof(examples));
        }
        return target;
    }

    // Said before the training, not after it.
    private static void CheckFairness(TabularParameters parameters, TargetValues target, string name)
    {
        if (parameters.Positive is { } label && (target.IsRegression || !target.Labels.Contains(label)))
        {
            throw new TrainingRefusedException(target.IsRegression
                ? $"Parameter 'positive' is for labels; '{name}' is a number. Leave it out, or set 'task' to classification."
                : $"Parameter 'positive' is '{label}', which is not a label of '{name}'. Its labels: {string.Join(", ", target.Labels.Take(30))}.");
        }
        if (parameters.Fairness.Count > 0 && target.IsRegression)
            throw new TrainingRefusedException($"Parameter 'fairness' compares how often groups are given a label; '{name}' is a number. Leave it out, or set 'task' to classification.");
    }

    private static ColumnValues Cut(ColumnValues column, int[] rows, int rowCount) => rows.Length == rowCount ? column : column with
    {
        Numbers = column.Numbers is { } numbers ? Array.ConvertAll(rows, row => numbers[row]) : null,
        Texts = column.Texts is { } texts ? Array.ConvertAll(rows, row => texts[row]) : null,
    };

    private static void RefuseOutputNames(PreparationPlan plan, TargetValues target)
    {
        var outputs = target.IsRegression ? ValueOutputs : LabelOutputs;
        if (plan.Inputs.FirstOrDefault(input => outputs.Contains(input.Name)) is { } input)
            throw new TrainingRefusedException($"Column '{input.Name}' has the name of an output of the model. Rename it, or put it into 'ignore'.");
    }

    private static string ReasonsOf(JsonObject preparation) => string.Join("; ", preparation["columns"]!.AsArray()
        .Where(entry => entry!["dropped"] is not null)
        .Take(10)
        .Select(entry => $"'{entry!["name"]}' {entry["dropped"]}")) + ".";

    private static void DescribeTarget(TargetValues target, string name, int rowCount, JsonObject preparation)
    {
        var described = new JsonObject { ["name"] = name, ["task"] = target.Task, ["missing"] = rowCount - target.Rows.Length };
        if (target.IsRegression)
        {
            described["minimum"] = target.Values.Min();
            described["mean"] = target.Values.Average(value => (double)value);
            described["maximum"] = target.Values.Max();
        }
        else
        {
            var counts = new int[target.Labels.Count];
            foreach (var value in target.Values) counts[(int)value]++;
            var labels = new JsonObject();
            for (var i = 0; i < counts.Length; i++) labels[target.Labels[i]] = counts[i];
            described["labels"] = labels;
            if (counts.Min() * 20 < target.Values.Length / counts.Length)
            {
                preparation["warnings"]!.AsArray().Add(
                    $"Label '{target.Labels[Array.IndexOf(counts, counts.Min())]}' is rare ({counts.Min()} of {target.Values.Length} rows): it will seldom be the likeliest one. Set 'balance' to equal to give every label the same weight.");
            }
        }
        preparation["target"] = described;
    }

    private static ModelSignature SignatureOf(PreparationPlan plan, TargetValues target, string name, Dictionary<string, double> importance)
    {
        static TensorSpec Output(string output, string datatype, params long[] shape) => new() { Name = output, Datatype = datatype, Shape = shape };
        return new ModelSignature
        {
            Task = target.Task,
            SampleType = DatasetTypes.Tabular,
            Target = name,
            Inputs =
            [
                .. plan.Inputs.Select(input => new TensorSpec
                {
                    Name = input.Name,
                    Datatype = input.IsNumeric ? "FP32" : "BYTES",
                    Shape = [-1, 1],
                    ColumnType = input.Type,
                    Example = input.Example,
                    Importance = Math.Round(importance[input.Name], 4),
                    MissingShare = input.MissingShare,
                    Values = input.Values,
                    Typical = input.Typical,
                }),
            ],
            Outputs = target.IsRegression
                ? [Output("value", "FP32", -1), Output("lower", "FP32", -1), Output("upper", "FP32", -1)]
                : [Output("label", "BYTES", -1), Output("probabilities", "FP32", -1, target.Labels.Count)],
            Labels = target.IsRegression ? null : target.Labels,
        };
    }
}
