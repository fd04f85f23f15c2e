using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Evaluation;
using Atoll.Training.Tabular;
using Xunit;

namespace Atoll.Tests.Training.Tabular;

/// <summary>Training of whole tables.</summary>
public sealed class TabularTrainerTests
{
    private static readonly Dictionary<string, string> Quick = new() { ["trees"] = "25", ["folds"] = "2", ["leaves"] = "8" };

    [Fact]
    public void Two_trainings_with_one_seed_give_the_same_bytes_however_many_threads_there_are()
    {
        var table = new GeneratedTable(1).Make(TaskKinds.Classification, 250, 3);

        var first = Train(table, Quick);
        var second = Train(table, Quick);
        var threads = Train(table, Quick, threads: 3);

        Assert.Equal(first.Onnx, second.Onnx);
        Assert.Equal(first.Onnx, threads.Onnx);
        Assert.Equal(first.Preparation!.ToJsonString(), second.Preparation!.ToJsonString());
    }

    [Fact]
    public void Another_seed_gives_another_model()
    {
        var table = new GeneratedTable(1).Make(TaskKinds.Classification, 250);

        var first = TabularTrainer.Train(table, new TrainingSettings { Parameters = Quick, Seed = 1 }, new SilentTrainingReport(), CancellationToken.None);
        var second = TabularTrainer.Train(table, new TrainingSettings { Parameters = Quick, Seed = 2 }, new SilentTrainingReport(), CancellationToken.None);

        Assert.NotEqual(first.Onnx, second.Onnx);
    }

    [Fact]
    public void A_classifier_knows_its_labels_inputs_and_outputs()
    {
        var trained = Train(new GeneratedTable(4).Make(TaskKinds.Classification, 300, 3), Quick);

        var signature = trained.Signature;
        Assert.Equal(TaskKinds.Classification, signature.Task);
        Assert.Equal(DatasetTypes.Tabular, signature.SampleType);
        Assert.Equal("target", signature.Target);
        Assert.Equal(["label 0", "label 1", "label 2"], signature.Labels);
        Assert.Equal(["label", "probabilities"], signature.Outputs.Select(output => output.Name));
        Assert.Equal([-1, 3], signature.Outputs[1].Shape);
        Assert.DoesNotContain(signature.Inputs, input => input.Name is "target" or "customer");
        var age = signature.Inputs.Single(input => input.Name == "age");
        Assert.Equal(("FP32", ColumnTypes.Integer), (age.Datatype, age.ColumnType));
        Assert.True(float.Parse(age.Example!) >= 18);
        Assert.Equal("BYTES", signature.Inputs.Single(input => input.Name == "plan").Datatype);

        using var session = OnnxSession.Load(trained.Onnx);
        Assert.Equal(signature.Inputs.Select(input => input.Name), session.Inputs.Select(input => input.Name));
        Assert.Equal(signature.Outputs.Select(output => output.Name), session.Outputs.Select(output => output.Name));
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("trees")]
    public void What_is_learned_holds_on_new_rows(string candidates)
    {
        var trained = Train(new GeneratedTable(5).Make(TaskKinds.Classification, 600), new() { ["candidates"] = candidates, ["trees"] = "60", ["folds"] = "3" });

        var scores = Evaluate(trained, new GeneratedTable(6).Make(TaskKinds.Classification, 400));

        Assert.True(scores[MetricNames.Auc] > 0.85, $"auc {scores[MetricNames.Auc]}");
    }

    [Fact]
    public void Nine_of_ten_new_values_lie_in_their_interval()
    {
        var trained = Train(new GeneratedTable(8).Make(TaskKinds.Regression, 800), new() { ["trees"] = "80", ["folds"] = "4" });

        var scores = Evaluate(trained, new GeneratedTable(9).Make(TaskKinds.Regression, 800));

        Assert.True(scores[MetricNames.R2] > 0.7, $"r2 {scores[MetricNames.R2]}");
        Assert.InRange(scores[MetricNames.IntervalCoverage], 0.85, 0.96);
        Assert.Equal(["value", "lower", "upper"], trained.Signature.Outputs.Select(output => output.Name));
    }

    [Fact]
    public void Rows_without_a_target_are_left_out()
    {
        var whole = new GeneratedTable(4).Make(TaskKinds.Classification, 200);
        var target = whole.Columns.Single(column => column.Name == "target");
        var half = whole with { Columns = [.. whole.Columns.Where(column => column != target), target with { Texts = [.. target.Texts!.Select((text, row) => row < 150 ? text : null)] }] };
        var cut = new TabularExamples([.. half.Columns.Select(column => column with { Numbers = column.Numbers?[..150], Texts = column.Texts?[..150] })], 150, "target");

        var trained = Train(half, Quick);

        Assert.Equal(Train(cut, Quick).Onnx, trained.Onnx);
        Assert.Equal(50, trained.Preparation!["target"]!["missing"]!.GetValue<int>());
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(10, false)]
    public void The_validation_split_of_the_customer_decides_if_it_is_large_enough(int count, bool decides)
    {
        var train = new GeneratedTable(4).Make(TaskKinds.Classification, 300);
        var other = new GeneratedTable(5).Make(TaskKinds.Classification, count);

        // Labels the other way round: whoever chooses by these rows sees that everything is wrong.
        var target = other.Columns.Single(column => column.Name == "target");
        var turned = target with { Texts = Array.ConvertAll(target.Texts!, text => text == "label 0" ? "label 1" : "label 0") };
        var examples = train.WithValidation(other with { Columns = [.. other.Columns.Select(column => column == target ? turned : column)] });

        var selection = Train(examples, new() { ["trees"] = "25", ["leaves"] = "8" }).Preparation!["selection"]!;

        Assert.Equal(decides, selection["score"]!.GetValue<double>() > 0.7);
        Assert.Equal(decides ? 1 : 5, selection["folds"]!.GetValue<int>());
    }

    [Fact]
    public void What_is_left_out_is_reckoned_with_although_no_row_lacks_it()
    {
        // The plan decides; nine customers of ten have the one that is left seldom.
        var random = new SplitMix64(3);
        const int rows = 600;
        var plans = Enumerable.Range(0, rows).Select(_ => random.NextDouble() < 0.9 ? "year" : "month").ToArray();
        var table = new TabularExamples(
            [
                new ColumnValues { Name = "plan", Type = ColumnTypes.Category, Texts = plans },
                new ColumnValues { Name = "noise", Type = ColumnTypes.Number, Numbers = [.. plans.Select(_ => (float)random.NextDouble())] },
                new ColumnValues { Name = "target", Type = ColumnTypes.Category, Texts = [.. plans.Select(plan => random.NextDouble() < (plan == "year" ? 0.05 : 0.9) ? "leaves" : "stays")] },
            ], rows, "target");
        var without = table with { Columns = [table.Columns[0] with { Texts = new string?[rows] }, .. table.Columns.Skip(1)] };
        double Leaving(params KeyValuePair<string, string>[] parameters) => TabularTrainer.Fit(
            table, new TrainingSettings { Parameters = new Dictionary<string, string>([.. Quick, .. parameters, KeyValuePair.Create("candidates", "linear")]) },
            new SilentTrainingReport(), CancellationToken.None).Model.Predict(without.Columns, rows).Where((_, i) => i % 2 == 0).Average();

        var share = table.Columns[2].Texts!.Count(label => label == "leaves") / (double)rows;

        Assert.Equal(share, Leaving(), 0.08);
        Assert.True(Math.Abs(Leaving(KeyValuePair.Create("blanked", "0")) - share) > 0.2, "the test shows nothing");
    }

    [Fact]
    public void Columns_that_give_the_target_away_are_told_in_the_log_and_the_signature()
    {
        var table = new GeneratedTable(4).Make(TaskKinds.Classification, 200);
        var target = table.Columns.Single(column => column.Name == "target");
        var report = new ListReport();

        var trained = TabularTrainer.Train(
            table with { Columns = [.. table.Columns, target with { Name = "outcome" }] }, new TrainingSettings { Parameters = Quick }, report, CancellationToken.None);

        Assert.Equal(["outcome"], trained.Signature.Leaks!);
        Assert.Contains(report.Lines, line => line.StartsWith("'outcome' is left out: it gives 'target' away", StringComparison.Ordinal));
    }

    [Fact]
    public void The_signature_says_what_a_row_should_have()
    {
        var inputs = Train(new GeneratedTable(4).Make(TaskKinds.Classification, 300), Quick).Signature.Inputs.ToDictionary(input => input.Name);

        Assert.Equal(1, inputs.Values.Sum(input => input.Importance!.Value), 0.01);
        Assert.Equal(0, inputs["active"].MissingShare);
        Assert.InRange(inputs["plan"].MissingShare!.Value, 0.05, 0.15);
        Assert.Equal(["Größer", "basic", "plus", "pro"], inputs["plan"].Values!);
        Assert.Null(inputs["age"].Values);
        Assert.Null(inputs["comment"].Values);
    }

    [Fact]
    public void Candidates_the_choice_and_importance_are_reported()
    {
        var report = new ListReport();
        var trained = TabularTrainer.Train(
            new GeneratedTable(4).Make(TaskKinds.Classification, 300), new TrainingSettings { Parameters = Quick }, report, CancellationToken.None);

        Assert.Contains(trained.Candidates, candidate => candidate.Name.StartsWith("logistic regression", StringComparison.Ordinal));
        Assert.Contains(trained.Candidates, candidate => candidate.Name.StartsWith("boosted trees", StringComparison.Ordinal));
        Assert.All(trained.Candidates, candidate => Assert.InRange(candidate.Score, 0.01, 0.7));
        Assert.Contains(report.Metrics, metric => metric is ("trees/validation/log-loss", 24));
        Assert.Equal(1, report.Fraction);
        var importance = trained.Preparation!["columns"]!.AsArray()
            .Where(entry => entry!["importance"] is not null)
            .ToDictionary(entry => entry!["name"]!.GetValue<string>(), entry => entry!["importance"]!.GetValue<double>());
        Assert.Equal(1, importance.Values.Sum(), 0.01);
        Assert.True(importance["age"] > importance["active"]);
    }

    [Fact]
    public void Equal_weights_find_more_of_a_rare_label()
    {
        var table = Rare(new GeneratedTable(12).Make(TaskKinds.Classification, 800));
        var test = Rare(new GeneratedTable(13).Make(TaskKinds.Classification, 800));

        var plain = Evaluate(Train(table, Quick), test);
        var balanced = Evaluate(Train(table, new(Quick) { ["balance"] = "equal" }), test);

        Assert.True(balanced[MetricNames.MacroRecall] > plain[MetricNames.MacroRecall] + 0.02, $"{plain[MetricNames.MacroRecall]} and {balanced[MetricNames.MacroRecall]}");

        // Of the label with the smaller part nine rows in ten lose their target.
        static TabularExamples Rare(TabularExamples all)
        {
            var target = all.Columns.Single(column => column.Name == "target");
            return all with { Columns = [.. all.Columns.Where(column => column != target), target with { Texts = [.. target.Texts!.Select((text, row) => text == "label 0" && row % 10 != 0 ? null : text)] }] };
        }
    }

    [Fact]
    public void Whole_numbers_of_few_kinds_are_labels_and_others_are_values()
    {
        var table = new GeneratedTable(2).Make(TaskKinds.Regression, 120);
        string TaskOf(Func<int, float> value) =>
            Train(With(table, value), new() { ["candidates"] = "linear" }).Signature.Task;

        Assert.Equal(TaskKinds.Classification, TaskOf(row => row % 3));
        Assert.Equal(TaskKinds.Regression, TaskOf(row => row % 3 / 2f));
        Assert.Equal(TaskKinds.Regression, TaskOf(row => row % 40));
        var labels = Train(With(table, row => row % 3 * 10), new() { ["candidates"] = "linear" }).Signature.Labels;
        Assert.Equal(["0", "10", "20"], labels);
    }

    [Theory]
    [InlineData("nonsense", "1", "no parameter 'nonsense'")]
    [InlineData("folds", "many", "'folds' is 'many'; expected a whole number from 2 to 20")]
    [InlineData("folds", "2.5", "a whole number")]
    [InlineData("task", "clustering", "classification or regression")]
    [InlineData("candidates", "forest", "linear or trees")]
    [InlineData("ignore", "agee", "names column 'agee'")]
    [InlineData("task", "regression", "regression needs numbers")]
    public void A_wrong_parameter_is_refused_with_what_is_right(string name, string value, string message)
    {
        var table = new GeneratedTable(1).Make(TaskKinds.Classification, 50);

        var refusal = Assert.Throws<TrainingRefusedException>(() => Train(table, new() { [name] = value }));

        Assert.Contains(message, refusal.Message);
    }

    [Fact]
    public void Tables_that_cannot_be_learned_are_refused_with_the_reason()
    {
        var table = new GeneratedTable(1).Make(TaskKinds.Classification, 60);
        void Refused(TabularExamples examples, string message) =>
            Assert.Contains(message, Assert.Throws<TrainingRefusedException>(() => Train(examples, Quick)).Message);
        var numbers = new GeneratedTable(1).Make(TaskKinds.Regression, 60);

        Refused(table with { Target = "churn" }, "no column 'churn'");
        Refused(With(numbers, _ => float.NaN), "Only 0 of 60 rows have a value");
        Refused(new GeneratedTable(1).Make(TaskKinds.Classification, 8), "There are only 8 rows to learn from");
        Refused(With(numbers, row => row < 6 ? row : float.NaN), "Only 6 of 60 rows have a value");
        Refused(With(numbers, _ => 5), "one label only, '5'");
        Refused(With(numbers, _ => 5.5f), "has the value 5.5 in every row");
        Refused(table with { Target = "customer" }, "60 different labels in 60 rows");
        Refused(table with { Columns = [.. table.Columns.Where(column => column.Name is "target" or "customer")] }, "No column is left to learn from. 'customer' is an identifier");
        Refused(table with { Columns = [.. table.Columns, table.Columns[0]] }, "more than one column 'age'");
        Refused(table with { Columns = [.. table.Columns, table.Columns[1] with { Name = "label", Numbers = [.. table.Columns[1].Numbers!.Select(value => value + 1)] }] }, "name of an output");
    }

    [Fact]
    public void Cancellation_ends_the_training()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();

        Assert.ThrowsAny<OperationCanceledException>(() => TabularTrainer.Train(
            new GeneratedTable(1).Make(TaskKinds.Classification, 100), new TrainingSettings { Parameters = Quick }, new SilentTrainingReport(), source.Token));
    }

    [Fact]
    public void A_time_limit_that_has_passed_still_gives_a_model()
    {
        var trained = TabularTrainer.Train(
            new GeneratedTable(1).Make(TaskKinds.Classification, 200), new TrainingSettings { TimeLimit = TimeSpan.Zero }, new SilentTrainingReport(), CancellationToken.None);

        Assert.StartsWith("logistic regression", trained.Algorithm);
    }

    private static TabularExamples With(TabularExamples table, Func<int, float> target) => table with
    {
        Columns = [.. table.Columns.Select(column => column.Name == "target" ? column with { Numbers = [.. Enumerable.Range(0, table.RowCount).Select(target)] } : column)],
    };

    private static TrainedModel Train(TabularExamples table, Dictionary<string, string> parameters, int threads = 1) =>
        TabularTrainer.Train(table, new TrainingSettings { Parameters = parameters, Threads = threads }, new SilentTrainingReport(), CancellationToken.None);

    private static IReadOnlyDictionary<string, double> Evaluate(TrainedModel trained, TabularExamples table)
    {
        using var session = OnnxSession.Load(trained.Onnx);
        return ModelEvaluator.Evaluate(session, trained.Signature, table, CancellationToken.None).Metrics;
    }

    /// <summary>Keeps what it is told.</summary>
    private sealed class ListReport : ITrainingReport
    {
        private readonly Lock _lock = new();

        public List<(string Name, int Step)> Metrics { get; } = [];

        public List<string> Lines { get; } = [];

        public double Fraction { get; private set; }

        public void Progress(string stage, double fraction)
        {
            lock (_lock) Fraction = fraction;
        }

        public void Metric(string name, double value, int step)
        {
            lock (_lock) Metrics.Add((name, step));
        }

        public void Log(string message) => Lines.Add(message);
    }
}
