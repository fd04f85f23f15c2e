using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;
using Atoll.Training;
using Atoll.Training.Entities;
using Atoll.Training.Evaluation;
using Xunit;

namespace Atoll.Tests.Training.Entities;

public sealed class EntityTrainerTests
{
    private static readonly Dictionary<string, string> Quick = new() { ["epochs"] = "5" };

    [Fact]
    public void Names_that_were_never_seen_are_found_by_what_stands_around_them()
    {
        var model = EntityTrainer.Train(Examples(160), new TrainingSettings { Parameters = Quick }, new SilentTrainingReport(), CancellationToken.None);

        using var session = OnnxSession.Load(model.Onnx);
        var found = EntityEvaluation.Find(session, ["Please write to Zorblat Quimby about the trip to Xanadu.", "Nothing to see here."]);
        Assert.Equal([new EntitySpan(16, 30, "PERSON"), new EntitySpan(49, 55, "PLACE")], found[0]);
        Assert.Empty(found[1]);

        var report = EntityEvaluation.Evaluate(session, model.Signature, Examples(60, seed: 8), CancellationToken.None);
        Assert.Equal((TaskKinds.EntityExtraction, 60), (report.Task, report.SampleCount));
        Assert.True(report.Metrics[MetricNames.MicroF1] > 0.95, $"{report.Metrics[MetricNames.MicroF1]}");
        Assert.Equal(["PERSON", "PLACE"], report.PerLabel!.Select(label => label.Label));
        Assert.All(report.PerLabel!, label => Assert.True(label.Support > 20 && label.F1 > 0.9));
    }

    [Fact]
    public void The_same_seed_gives_the_same_model()
    {
        byte[] Train(int seed) => EntityTrainer.Train(Examples(60), new TrainingSettings { Seed = seed, Parameters = Quick }, new SilentTrainingReport(), CancellationToken.None).Onnx;

        Assert.Equal(Train(3), Train(3));
        Assert.NotEqual(Train(3), Train(4));
    }

    [Fact]
    public void An_entity_is_right_only_when_its_label_its_beginning_and_its_end_are()
    {
        var model = EntityTrainer.Train(Examples(160), new TrainingSettings { Parameters = Quick }, new SilentTrainingReport(), CancellationToken.None);
        using var session = OnnxSession.Load(model.Onnx);
        const string text = "Please write to Anna Berg about the trip to Oslo.";

        LabelMetrics[] Measure(params EntitySpan[] truth) =>
            [.. EntityEvaluation.Evaluate(session, model.Signature, new EntityExamples([new EntitySample(text, truth)], ["PERSON", "PLACE", "FIRM"]), CancellationToken.None).PerLabel!];

        Assert.All(Measure(new(16, 25, "PERSON"), new(44, 48, "PLACE")), label => Assert.Equal(1, label.F1));
        var wrong = Measure(new(16, 20, "PERSON"), new(44, 48, "FIRM"));
        Assert.Equal([("PERSON", 0d, 1), ("PLACE", 0, 0), ("FIRM", 0, 1)], wrong.Select(label => (label.Label, label.F1, label.Support)));
    }

    [Fact]
    public void Texts_in_which_nothing_is_marked_are_refused()
    {
        var nothing = new EntityExamples([new EntitySample("a text", []), new EntitySample("another", [])], ["PERSON"]);

        var refusal = Assert.Throws<TrainingRefusedException>(() => EntityTrainer.Train(nothing, new TrainingSettings(), new SilentTrainingReport(), CancellationToken.None));

        Assert.Contains("Nothing is marked", refusal.Message);
    }

    [Fact]
    public void Entities_that_begin_inside_of_a_word_take_all_of_it_and_are_told()
    {
        var log = new List<string>();
        var samples = Examples(40).Samples.Append(new EntitySample("We met in mid-Oslonian Rome.", [new EntitySpan(14, 18, "PLACE")])).ToList();

        EntityTrainer.Train(new EntityExamples(samples, ["PERSON", "PLACE"]), new TrainingSettings { Parameters = Quick }, new ListReport(log), CancellationToken.None);

        Assert.Contains(log, line => line.StartsWith("1 of ", StringComparison.Ordinal) && line.Contains("inside of a word"));
    }

    [Fact]
    public void Every_type_of_dataset_has_a_trainer() =>
        Assert.Equal(DatasetFormats.Types.Order(), TrainingKinds.All.Select(kind => kind.DatasetType).Order());

    /// <summary>Sentences made of few frames and many made-up names.</summary>
    internal static EntityExamples Examples(int count, int seed = 7)
    {
        var random = new Random(seed);
        var samples = new List<EntitySample>();
        string Name() => $"{(char)('A' + random.Next(26))}{string.Concat(Enumerable.Range(0, random.Next(2, 7)).Select(_ => "aeioulnrst"[random.Next(10)]))}";
        for (var i = 0; i < count; i++)
        {
            var (person, place) = (random.Next(2) == 0 ? Name() : $"{Name()} {Name()}", Name());
            samples.Add(random.Next(4) switch
            {
                0 => Marked("Please write to ", person, "PERSON", " about the trip to ", place, "PLACE", "."),
                1 => Marked("The trip to ", place, "PLACE", " with ", person, "PERSON", " was long."),
                2 => Marked("We fly to ", place, "PLACE", " today, says ", person, "PERSON", "!"),
                _ => new EntitySample($"Nothing to {(random.Next(2) == 0 ? "do" : "see")} here, {random.Next(100)} times.", []),
            });
        }
        return new EntityExamples(samples, ["PERSON", "PLACE"]);
    }

    private static EntitySample Marked(string before, string first, string firstLabel, string between, string second, string secondLabel, string behind)
    {
        var at = before.Length + first.Length + between.Length;
        return new EntitySample(before + first + between + second + behind,
            [new EntitySpan(before.Length, before.Length + first.Length, firstLabel), new EntitySpan(at, at + second.Length, secondLabel)]);
    }

    private sealed class ListReport(List<string> log) : ITrainingReport
    {
        public void Progress(string stage, double fraction)
        {
        }

        public void Metric(string name, double value, int step)
        {
        }

        public void Log(string message) => log.Add(message);
    }
}
