using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Registry;
using Xunit;

namespace Atoll.Tests.Registry;

/// <summary>What a card says about versions of every kind.</summary>
public sealed class ModelCardTests
{
    [Fact]
    public void A_trained_version_tells_what_it_does_from_what_and_how_well()
    {
        var card = ModelCard.Of(Version(), Report(), new ModelNotes { IntendedUse = "Whom to call.", NotFor = "Credit.", Licence = "internal" });
        Assert.Equal(
            "It says which of 2 labels 'signed' is, from 2 columns. It was trained on 800 samples of the dataset 'leads', version 3. On 200 samples that it never saw it was right in 90.0 % (95 % confidence: 85.1 % to 93.4 %).",
            card.Summary);
        Assert.Equal(["age", "plan"], card.Columns!.Select(column => column.Name));
        Assert.Equal(0.4, card.Columns![0].Effect!.Shuffled);
        Assert.Equal([("invoice", "gives 'signed' away")], card.LeftOut!.Select(column => (column.Name, column.Reason)));
        Assert.Equal(["How it treats groups of people: nobody asked. Name their columns when you train, in the parameter 'fairness'."], card.NotKnown);
        Assert.Equal(["'invoice' was left out because it gives 'signed' away in the training data.", "Look at 'age'."], card.Limits);
    }

    [Fact]
    public void Weak_scores_become_limits_in_words()
    {
        var report = Report();
        var evaluation = report.Evaluation! with
        {
            SampleCount = 60,
            Metrics = new Dictionary<string, double> { [MetricNames.Accuracy] = 0.7, [MetricNames.CalibrationError] = 0.12 },
            PerLabel = [Label("no", 0.9, 45), Label("yes", 0.2, 12), Label("maybe", 0, 3)],
            Fairness = new FairnessReport
            {
                Positive = "yes",
                Columns = [new FairnessColumn { Column = "sex", Reference = "m", Finding = "Less for 'f'.", Groups = [Group("m", null), Group("f", new ShareInterval(-0.3, -0.4, -0.2))] }],
            },
        };
        var card = ModelCard.Of(Version(), report with { Evaluation = evaluation, Data = report.Data! with { Duplicates = 90, Skipped = 4 } }, null);
        foreach (var expected in (string[])["60 held-out samples only", "always says 'no'", "'maybe' has fewer than 10", "Of the samples of 'yes' it finds fewer than half (20.0 %", "off by 12.0 %", "90 of the 1,000 samples repeat", "4 bad samples", "Less for 'f'."])
            Assert.Contains(card.Limits, limit => limit.Contains(expected, StringComparison.Ordinal));
        var counted = ModelCard.Of(Version(), report with { Evaluation = evaluation with { LearnedToo = 9 }, Data = report.Data! with { Duplicates = 90 } }, null);
        Assert.Contains(counted.Limits, limit => limit.StartsWith("9 of its 60 held-out samples are equal to one that it learned from.", StringComparison.Ordinal));
        Assert.DoesNotContain(counted.Limits, limit => limit.Contains("repeat an earlier one", StringComparison.Ordinal));
        Assert.DoesNotContain(card.NotKnown, unknown => unknown.Contains("groups of people", StringComparison.Ordinal));
        Assert.Contains(card.NotKnown, unknown => unknown.Contains("licence", StringComparison.Ordinal));
    }

    [Fact]
    public void An_imported_version_says_what_is_not_known()
    {
        var version = Version() with
        {
            Lineage = new ModelLineage { Import = "mim_1", File = "scores.onnx", Recipe = "import/onnx", CodeVersion = "0", Machine = "any" },
            Signature = new ModelSignature { Task = TaskKinds.Tensors, SampleType = SampleTypes.Tensors, Inputs = [Spec("x")], Outputs = [Spec("y")] },
            Metrics = new Dictionary<string, double>(),
        };
        var card = ModelCard.Of(version, new ModelReportResponse { Candidates = [] }, null);
        Assert.Equal("It gives tensors from 1 tensor. It was imported from the file 'scores.onnx'.", card.Summary);
        Assert.Contains("What it was trained on, by whom and how: it was imported.", card.NotKnown);
        Assert.Contains("How good it is: nobody gave samples to measure it by.", card.NotKnown);
        Assert.Null(card.Columns);
        Assert.Contains("What it was trained on", ModelCardPage.Write(card));
    }

    [Fact]
    public void A_page_shows_what_tenants_wrote_and_runs_none_of_it()
    {
        const string hostile = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";
        var report = Report();
        var card = ModelCard.Of(
            Version() with { Algorithm = hostile, Signature = Version().Signature with { Labels = [hostile, "b"], Target = hostile }, Lineage = Version().Lineage with { By = hostile, File = hostile } },
            report with { Evaluation = report.Evaluation! with { PerLabel = [Label(hostile, 0.5, 30)], Labels = [hostile, "b"], ConfusionMatrix = [[1, 2], [3, 4]] } },
            new ModelNotes { IntendedUse = hostile, NotFor = hostile, Licence = hostile, Contact = hostile });
        var page = ModelCardPage.Write(card);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<img", page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("&lt;script&gt;", page);
        // Nothing is loaded from anywhere.
        Assert.DoesNotContain("http", page);
        Assert.DoesNotContain("src=", page.Replace("src=x onerror", "", StringComparison.Ordinal));
        foreach (var expected in (string[])["Known limits", "Not known", "How well it does", "What it goes by", "Where it comes from", "90.0 %", "<span class=\"bar\" style=\"width:"]) Assert.Contains(expected, page);
    }

    private static ModelVersionResponse Version() => new()
    {
        Model = "leads", Version = 2, Digest = "d", Bytes = 1, CreatedUtc = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), Aliases = ["latest"], Algorithm = "trees",
        Metrics = new Dictionary<string, double> { [MetricNames.Accuracy] = 0.9 },
        Lineage = new ModelLineage { Run = "run_1", By = "ann", Dataset = "leads", DatasetVersion = 3, Recipe = "built-in", CodeVersion = "0", Machine = "any" },
        Signature = new ModelSignature
        {
            Task = TaskKinds.Classification, SampleType = DatasetTypes.Tabular, Target = "signed", Labels = ["no", "yes"], Leaks = ["invoice"], Outputs = [],
            Inputs = [Spec("plan") with { Importance = 0.4 }, Spec("age") with { Importance = 0.6, MissingShare = 0.1 }],
        },
    };

    private static ModelReportResponse Report() => new()
    {
        Candidates = [],
        Data = new TrainingDataFacts { Samples = 1000, Learned = 800, SplitSeed = 1, Splits = [new SplitCount(SplitNames.Train, 800), new SplitCount(SplitNames.Test, 200)] },
        Preparation = (JsonObject)JsonNode.Parse("""{"columns":[{"name":"age"},{"name":"invoice","dropped":"gives 'signed' away","leak":true}],"warnings":["Look at 'age'."]}""")!,
        Evaluation = new EvaluationReport
        {
            Task = TaskKinds.Classification, SampleCount = 200, Metrics = new Dictionary<string, double> { [MetricNames.Accuracy] = 0.9, [MetricNames.CalibrationError] = 0.02 },
            Intervals = [new ScoreInterval(MetricNames.Accuracy, 0.8506, 0.9343)], PerLabel = [Label("no", 0.95, 120), Label("yes", 0.8, 80)],
            Calibration = [new CalibrationBin(0.9, 1, 200, 0.92, 0.9, 0.85, 0.93)],
            ColumnEffects = new ColumnEffects { Metric = MetricNames.LogLoss, Untouched = 0.3, Rows = 200, Shuffles = 3, Columns = [new ColumnEffect("age", 0.4, 0.01, 0.3)] },
        },
    };

    private static LabelMetrics Label(string label, double recall, int support) => new() { Label = label, Precision = 0.5, Recall = recall, F1 = 0.5, Support = support };

    private static FairnessGroup Group(string name, ShareInterval? difference) => new() { Group = name, Count = 30, Positives = 10, SelectionRate = new ShareInterval(0.5, 0.4, 0.6), SelectionDifference = difference };

    private static TensorSpec Spec(string name) => new() { Name = name, Datatype = "FP32", Shape = [-1, 1] };
}
