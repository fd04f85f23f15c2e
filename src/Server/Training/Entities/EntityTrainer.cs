using System.Globalization;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;
using Atoll.Training.Text;

namespace Atoll.Training.Entities;

/// <summary>Learns to find entities in texts: a linear chain over words, their shapes and their neighbours.</summary>
internal static class EntityTrainer
{
    // 32 MB of single precision for each of the two tables, four times in memory while they are learned.
    private const long WeightsMost = 8L << 20;

    // Some 60 bytes for each word while it learns.
    private const long CharactersMost = 40_000_000;
    private const int LabelsMost = 500;
    private const double ValidationShare = 0.15;
    private const int ValidationLeast = 20;
    private const int EpochsWithoutValidation = 12;
    private const int ExampleLengthMost = 200;

    // The search for the number of passes, and the training on everything, which begins anew.
    private const double SearchShare = 0.45;

    // Logarithms of what being outside is multiplied with: where entities are rare, too few are found without.
    private static readonly double[] OutsideLogs = [.. Enumerable.Range(-10, 15).Select(i => i * 0.2)];

    public static TrainedModel Train(EntityExamples examples, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        var options = EntityOptions.Read(settings);
        Check(examples);
        var deadline = new TrainingDeadline(TimeProvider.System, settings.TimeLimit);
        report.Progress("features", 0);
        var (train, validation) = Divide(examples, settings.Seed);
        var choice = validation.Count == 0
            ? new Choice(options.Epochs ?? EpochsWithoutValidation, 1, null)
            : Search(() => new Attempt(train, examples.LabelNames, options, settings.Seed, cancellationToken), validation, options, deadline, report, cancellationToken);

        var final = new Attempt(examples.Samples, examples.LabelNames, options, settings.Seed, cancellationToken);
        report.Log(string.Create(CultureInfo.InvariantCulture,
            $"{examples.Samples.Count:n0} texts, {final.WordCount:n0} words, {examples.LabelNames.Count} labels; known: {final.Vocabulary.Words.Length:n0} words, {final.Vocabulary.Parts.Length:n0} parts and pairs of words."));
        if (final.Misplaced > 0)
            report.Log($"{final.Misplaced:n0} of {final.EntityCount:n0} entities begin or end inside of a word; whole words are learned and found.");
        for (var epoch = 1; epoch <= choice.Epochs && !(epoch > 1 && deadline.Passed()); epoch++)
        {
            report.Metric("train/loss", final.Training.Run(cancellationToken), epoch);
            report.Progress("training", (double)epoch / choice.Epochs);
        }
        var model = final.Training.Mean;
        model.OutsideFactor = (float)choice.OutsideFactor;

        report.Progress("export", 0);
        var onnx = EntityGraph.Export(final.Vocabulary, model, examples.LabelNames);
        report.Progress("export", 1);
        return new TrainedModel
        {
            Onnx = onnx,
            Signature = Describe(examples),
            Algorithm = "linear chain over words",
            Candidates = choice.Score is { } score ? [new CandidateScore($"linear chain over words, {choice.Epochs} epochs", MetricNames.MicroF1, score)] : [],
            Preparation = new JsonObject
            {
                ["characters"] = final.Vocabulary.Alphabet.Size,
                ["words"] = final.Vocabulary.Words.Length,
                ["partsAndPairs"] = final.Vocabulary.Parts.Length,
                ["charactersReadPerText"] = EntityAlphabet.MaxLength - EntityAlphabet.PrefixLength - 1,
                ["places"] = "Unicode code points",
                ["epochs"] = final.Training.Epochs,
                ["dropout"] = Math.Round(options.Dropout, 4),
                ["outsideFactor"] = Math.Round(choice.OutsideFactor, 4),
                ["entitiesInsideOfWords"] = final.Misplaced,
            },
        };
    }

    private static Choice Search(
        Func<Attempt> begin, IReadOnlyList<EntitySample> validation, EntityOptions options, TrainingDeadline deadline, ITrainingReport report, CancellationToken cancellationToken)
    {
        // Made here, so that its memory is free before everything is learned from.
        var attempt = begin();
        var held = new HeldOut(attempt, validation);
        var (best, bestScore, factor) = (0, -1.0, 1.0);
        var most = options.Epochs ?? options.EpochsMost;
        for (var epoch = 1; epoch <= most; epoch++)
        {
            attempt.Training.Run(cancellationToken);
            if (options.Epochs is null || epoch == most)
            {
                var (score, outside) = held.Measure(attempt.Training.Mean);
                report.Metric("validation/micro-f1", score, epoch);
                if (score > bestScore) (best, bestScore, factor) = (epoch, score, outside);
            }
            report.Progress("search", (double)epoch / most);
            if (options.Epochs is null && (epoch - best >= options.Patience || deadline.Passed(SearchShare)))
                break;
        }
        report.Log(string.Create(CultureInfo.InvariantCulture, $"Chosen on {validation.Count:n0} texts held out: {best} epochs, micro-f1 {bestScore:f4}; being outside counts {factor:f2} times."));
        return new Choice(best, factor, bestScore);
    }

    private static (IReadOnlyList<EntitySample> Train, IReadOnlyList<EntitySample> Validation) Divide(EntityExamples examples, int seed)
    {
        var (all, given) = (examples.Samples, examples.ValidationCount);
        if (given > 0 && all.Skip(all.Count - given).Any(sample => sample.Entities.Count > 0) && all.Take(all.Count - given).Any(sample => sample.Entities.Count > 0))
            return ([.. all.Take(all.Count - given)], [.. all.Skip(all.Count - given)]);
        var count = (int)(all.Count * ValidationShare);
        if (count < ValidationLeast) return (all, []);
        int[] order = [.. Enumerable.Range(0, all.Count)];
        new SplitMix64((ulong)seed).Shuffle<int>(order);
        EntitySample[] train = [.. order.Skip(count).Order().Select(i => all[i])], validation = [.. order.Take(count).Order().Select(i => all[i])];
        return train.Any(sample => sample.Entities.Count > 0) && validation.Any(sample => sample.Entities.Count > 0) ? (train, validation) : (all, []);
    }

    private static void Check(EntityExamples examples)
    {
        if (examples.Samples.Count == 0) throw new TrainingRefusedException("There are no texts to learn from.");
        if (!examples.Samples.Any(sample => sample.Entities.Count > 0))
            throw new TrainingRefusedException("Nothing is marked in the texts to learn from; there is nothing to find.");
        if (examples.LabelNames.Count > LabelsMost)
            throw new TrainingRefusedException($"There are {examples.LabelNames.Count:n0} labels; at most {LabelsMost} can be learned. Put alike ones together.");
        var length = examples.Samples.Sum(sample => (long)sample.Text.Length);
        if (length > CharactersMost) throw new TrainingRefusedException($"{length:n0} characters are too many for one training; use fewer texts.");
    }

    private static ModelSignature Describe(EntityExamples examples)
    {
        var example = examples.Samples.FirstOrDefault(sample => sample.Entities.Count > 0 && sample.Text.Length <= ExampleLengthMost)?.Text;
        return new ModelSignature
        {
            Task = TaskKinds.EntityExtraction,
            SampleType = DatasetTypes.Text,
            Inputs = [new TensorSpec { Name = "text", Datatype = "BYTES", Shape = [-1], Example = example }],
            Outputs =
            [
                new TensorSpec { Name = "label", Datatype = "BYTES", Shape = [-1, -1] },
                new TensorSpec { Name = "start", Datatype = "INT64", Shape = [-1, -1] },
                new TensorSpec { Name = "end", Datatype = "INT64", Shape = [-1, -1] },
                new TensorSpec { Name = "probability", Datatype = "FP32", Shape = [-1, -1] },
            ],
            Labels = examples.LabelNames,
        };
    }

    private sealed record Choice(int Epochs, double OutsideFactor, double? Score);

    /// <summary>One training from the beginning.</summary>
    private sealed class Attempt
    {
        public Attempt(IReadOnlyList<EntitySample> samples, IReadOnlyList<string> labels, EntityOptions options, int seed, CancellationToken cancellationToken)
        {
            Labels = labels;
            var tags = 1 + 2 * labels.Count;
            Vocabulary = EntityVocabulary.Learn(
                samples, options.MinWords, (int)(WeightsMost / (ChainModel.Slots * tags)), (int)(WeightsMost / tags), cancellationToken);
            var numbers = labels.Select((label, i) => (label, i)).ToDictionary(pair => pair.label, pair => pair.i, StringComparer.Ordinal);
            var texts = new List<(WordFeatures, int[])>(samples.Count);
            foreach (var sample in samples)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (words, features) = Vocabulary.Extract(sample.Text);
                var gold = EntitySpans.ToTags(words, sample, numbers);
                WordCount += words.Count - 1;
                EntityCount += sample.Entities.Count;
                Misplaced += sample.Entities.Except(EntitySpans.FromTags(words, gold, labels)).Count();
                if (words.Count > 1) texts.Add((features, gold));
            }
            Training = new ChainTraining(texts, labels.Count, Vocabulary, options, seed);
        }

        public IReadOnlyList<string> Labels { get; }

        public EntityVocabulary Vocabulary { get; }

        public ChainTraining Training { get; }

        public long WordCount { get; }

        public long EntityCount { get; }

        /// <summary>Entities that begin or end inside of a word.</summary>
        public long Misplaced { get; }
    }

    /// <summary>Texts to choose by.</summary>
    private sealed class HeldOut
    {
        private readonly Attempt _attempt;
        private readonly List<(TextWords Words, WordFeatures Features, EntitySample Sample)> _texts = [];

        public HeldOut(Attempt attempt, IReadOnlyList<EntitySample> samples)
        {
            _attempt = attempt;
            foreach (var sample in samples)
            {
                var (words, features) = attempt.Vocabulary.Extract(sample.Text);
                _texts.Add((words, features, sample));
            }
        }

        /// <summary>The best F1, and what being outside counts there.</summary>
        public (double Score, double OutsideFactor) Measure(ChainModel model)
        {
            var transitions = model.TransitionFactors();
            var probabilities = _texts.ConvertAll(text => model.Probabilities(text.Features, transitions));
            var scores = new double[OutsideLogs.Length];
            for (var i = 0; i < scores.Length; i++)
            {
                model.OutsideFactor = (float)Math.Exp(OutsideLogs[i]);
                var counts = new LabelCounts();
                for (var text = 0; text < _texts.Count; text++)
                {
                    var found = EntitySpans.FromTags(_texts[text].Words, model.Decide(probabilities[text]), _attempt.Labels);
                    counts.Predicted += found.Count;
                    counts.Actual += _texts[text].Sample.Entities.Count;
                    counts.TruePositives += found.Intersect(_texts[text].Sample.Entities).Count();
                }
                scores[i] = counts.F1;
            }
            model.OutsideFactor = 1;

            // The mean with the neighbours: a single peak is chance.
            var best = 1;
            for (var i = 1; i < scores.Length - 1; i++)
                if (Around(i) > Around(best)) best = i;
            return (Around(best), Math.Exp(OutsideLogs[best]));

            double Around(int i) => (scores[i - 1] + scores[i] + scores[i + 1]) / 3;
        }
    }
}
