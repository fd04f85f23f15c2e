using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Tabular;
using Xunit;

namespace Atoll.Tests.Training.Tabular;

/// <summary>The exported graph against the trainer's own arithmetic.</summary>
public sealed class TabularGraphTests
{
    [Theory]
    [InlineData(TaskKinds.Classification, 2, "linear")]
    [InlineData(TaskKinds.Classification, 2, "trees")]
    [InlineData(TaskKinds.Classification, 4, "linear")]
    [InlineData(TaskKinds.Classification, 4, "trees")]
    [InlineData(TaskKinds.Regression, 0, "linear")]
    [InlineData(TaskKinds.Regression, 0, "trees")]
    public void Exported_model_gives_what_the_trainer_gives_on_every_row(string task, int labels, string candidates)
    {
        var table = new GeneratedTable(7).Make(task, 400, labels);
        var settings = new TrainingSettings
        {
            Parameters = new Dictionary<string, string> { ["candidates"] = candidates, ["trees"] = "30", ["folds"] = "2" },
        };

        var (trained, model) = TabularTrainer.Fit(table, settings, new SilentTrainingReport(), CancellationToken.None);

        using var session = OnnxSession.Load(trained.Onnx);
        AssertSame(session, trained, model, table);
        AssertSame(session, trained, model, GeneratedTable.Awkward(table));
    }

    [Fact]
    public void Exported_mean_of_models_gives_what_the_trainer_gives()
    {
        var table = new GeneratedTable(3).Make(TaskKinds.Classification, 300, 3);
        var parameters = new Dictionary<string, string> { ["trees"] = "20", ["folds"] = "2" };
        var (trained, single) = TabularTrainer.Fit(table, new TrainingSettings { Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);
        parameters["candidates"] = "linear";
        var (_, linear) = TabularTrainer.Fit(table, new TrainingSettings { Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);
        parameters["candidates"] = "trees";
        var (_, trees) = TabularTrainer.Fit(table, new TrainingSettings { Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);

        // Whatever selection chose, this is a mean of both kinds.
        var mean = single with { Members = [linear.Members[0] with { Weight = 0.3 }, trees.Members[0] with { Weight = 0.7 }] };
        using var session = OnnxSession.Load(TabularGraph.Write(mean));
        AssertSame(session, trained, mean, table);
        AssertSame(session, trained, mean, GeneratedTable.Awkward(table));
    }

    [Fact]
    public void Regression_on_the_logarithm_is_exported_back_to_values()
    {
        var table = new GeneratedTable(5).Make(TaskKinds.Regression, 300);
        var parameters = new Dictionary<string, string> { ["candidates"] = "trees", ["trees"] = "30", ["folds"] = "2" };

        var (trained, model) = TabularTrainer.Fit(table, new TrainingSettings { Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);

        // The same trees, read as if they had learned logarithms.
        var logarithm = model with { Members = [model.Members[0] with { Scale = new ValueScale(true, 2, 0.5) }] };
        using var session = OnnxSession.Load(TabularGraph.Write(logarithm));
        AssertSame(session, trained, logarithm, table);
    }

    [Fact]
    public void A_single_row_and_many_rows_give_the_same()
    {
        var table = new GeneratedTable(11).Make(TaskKinds.Classification, 200);
        var parameters = new Dictionary<string, string> { ["trees"] = "10", ["folds"] = "2" };
        var trained = TabularTrainer.Train(table, new TrainingSettings { Parameters = parameters }, new SilentTrainingReport(), CancellationToken.None);
        using var session = OnnxSession.Load(trained.Onnx);

        var all = Run(session, table, [.. Enumerable.Range(0, table.RowCount)])["probabilities"];

        for (var row = 0; row < 20; row++)
        {
            var alone = Run(session, table, [row])["probabilities"];
            Assert.Equal(all[row * 2], alone[0], 1e-6f);
        }
    }

    private static void AssertSame(OnnxSession session, TrainedModel trained, TabularModel model, TabularExamples table)
    {
        var own = model.Predict(table.Columns, table.RowCount);
        var outputs = Run(session, table, [.. Enumerable.Range(0, table.RowCount)]);
        var exported = outputs[trained.Signature.Task == TaskKinds.Regression ? "value" : "probabilities"];
        Assert.Equal(own.Length, exported.Length);
        for (var i = 0; i < own.Length; i++)
        {
            var tolerance = 1e-5 * Math.Max(1, Math.Abs(own[i]));
            Assert.True(
                Math.Abs(own[i] - exported[i]) <= tolerance,
                $"Row {i / model.Target.Width}: trainer {own[i]}, exported {exported[i]}; {Describe(table, i / model.Target.Width)}");
        }
        if (model.Interval is not { } interval) return;
        for (var i = 0; i < own.Length; i++)
        {
            var group = interval.GroupOf(exported[i]);
            Assert.Equal(exported[i] + interval.Lower[group], outputs["lower"][i]);
            Assert.Equal(exported[i] + interval.Upper[group], outputs["upper"][i]);
            Assert.True(outputs["lower"][i] <= exported[i] && exported[i] <= outputs["upper"][i]);
        }
    }

    private static string Describe(TabularExamples table, int row) => string.Join(
        ", ", table.Columns.Select(column => $"{column.Name}={(column.Numbers is { } numbers ? numbers[row].ToString() : $"'{column.Texts![row]}'")}"));

    private static Dictionary<string, float[]> Run(OnnxSession session, TabularExamples table, int[] rows)
    {
        var byName = table.Columns.ToDictionary(column => column.Name);
        var inputs = session.Inputs.Select(input => byName[input.Name] is { Numbers: { } numbers }
            ? OnnxTensor.Create<float>(Array.ConvertAll(rows, row => numbers[row]), rows.Length, 1)
            : OnnxTensor.FromStrings(Array.ConvertAll(rows, row => byName[input.Name].Texts![row] ?? ""), rows.Length, 1)).ToArray();
        var outputs = session.Run(inputs);
        var results = new Dictionary<string, float[]>();
        for (var i = 0; i < outputs.Length; i++)
        {
            if (outputs[i].ElementType == TensorElementType.Float) results[session.Outputs[i].Name] = outputs[i].Span<float>().ToArray();
            outputs[i].Dispose();
        }
        foreach (var input in inputs) input.Dispose();
        return results;
    }
}
