using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Training.Text;

/// <summary>Learns to label texts: a linear model over words, pairs of words and runs of characters, in any language.</summary>
internal static class TextTrainer
{
    // 2 GiB of single precision between weights and dual variables; beyond that a training would starve its neighbours.
    private const long NumbersMax = 512L << 20;
    private const long WeightsMax = 64L << 20;
    private const int ExampleLengthMax = 200;

    public static TrainedModel Train(
        TextExamples examples, bool multiLabel, TrainingSettings settings, ITrainingReport report, CancellationToken cancellationToken)
    {
        Check(examples, multiLabel);
        var options = TextOptions.Read(settings, multiLabel);
        var deadline = new TrainingDeadline(TimeProvider.System, settings.TimeLimit);
        var labelCount = examples.LabelNames.Count;
        var stride = LinearWeights.StrideOf(labelCount);
        if ((long)examples.Texts.Count * stride > NumbersMax - WeightsMax)
            throw new TrainingRefusedException(
                $"{examples.Texts.Count:n0} texts with {labelCount:n0} labels are too many for one training; use fewer texts or labels.");

        report.Progress("features", 0);
        var featuresMax = (int)Math.Clamp(WeightsMax / stride, 1_000, 250_000);
        var vocabulary = NgramVocabulary.Learn(
            examples.Texts,
            new NgramOptions
            {
                MinTexts = options.MinTexts, LongestRun = options.LongestRun, MaxWords = featuresMax / 4, MaxRuns = featuresMax / 2,
            },
            cancellationToken);
        var rows = vocabulary.Extract(examples.Texts, cancellationToken);
        report.Log(
            $"{examples.Texts.Count:n0} texts, {labelCount} labels; features: {vocabulary.Keys.Words.Length:n0} words, " +
            $"{vocabulary.Keys.Pairs.Length:n0} pairs of words, {vocabulary.Keys.Runs.Length:n0} runs of characters.");

        if (examples.ValidationCount > 0) report.Log($"Chosen by the {examples.ValidationCount:n0} texts of the validation split, then learned from all texts.");
        var selection = new TextSelection(rows, examples.Labels, labelCount, examples.ValidationCount, multiLabel, options, settings.Seed, deadline, report);
        var chosen = selection.Run(cancellationToken);
        report.Log($"Chosen: {chosen.Name}, {chosen.Metric} {chosen.Score:f4} on texts held out.");

        var featureWeights = FeatureWeights.Learn(rows, examples.Labels, labelCount, options.WeightsFromLabels);
        var values = rows.Weigh(featureWeights);
        var weights = new LinearWeights(rows.FeatureCount, labelCount);
        var epochs = selection.Epochs;
        for (var i = 0; i < chosen.Parts.Count; i++)
        {
            var part = chosen.Parts[i];
            var solver = new DualSolver(values, examples.Labels, labelCount, part.Loss);
            if (selection.StartOf(part) is { } start) solver.Begin(start.Rows, start.Dual, part.Strength);
            var run = new SolverRun(solver, rows.Count, settings.Seed, deadline);
            while (run.Next(part.Strength, options.EpochsMax, cancellationToken) is { } loss)
            {
                report.Metric(TextOptions.CurveOf(part.Loss), loss, ++epochs);
                report.Progress("training", (i + (double)run.Count / options.EpochsMax) / chosen.Parts.Count);
            }
            weights.AddScaled(solver.Weights, part.Share);
        }
        chosen.Calibrate(weights);

        report.Progress("export", 0);
        var model = new TextModel(vocabulary, featureWeights, weights, examples.LabelNames, chosen.Thresholds);
        var onnx = TextGraph.Export(model);
        report.Progress("export", 1);
        return new TrainedModel
        {
            Onnx = onnx,
            Signature = Describe(examples, multiLabel),
            Algorithm = $"linear n-gram model ({string.Join(" + ", chosen.Parts.Select(part => TextOptions.NameOf(part.Loss)))})",
            Candidates = selection.Candidates,
            Preparation = Explain(vocabulary, chosen, examples.LabelNames),
        };
    }

    private static void Check(TextExamples examples, bool multiLabel)
    {
        if (examples.Texts.Count != examples.Labels.Count)
            throw new ArgumentException("Every text needs its labels.", nameof(examples));
        if (examples.Texts.Count == 0) throw new TrainingRefusedException("There are no texts to learn from.");
        if (examples.LabelNames.Distinct(StringComparer.Ordinal).Count() != examples.LabelNames.Count)
            throw new ArgumentException("Two labels have the same name.", nameof(examples));

        var counts = new int[examples.LabelNames.Count];
        for (var i = 0; i < examples.Labels.Count; i++)
        {
            var labels = examples.Labels[i];
            if (!multiLabel && labels.Length != 1)
                throw new TrainingRefusedException(
                    $"A text has {labels.Length} labels, and each should have one. Train a multi-label model instead, or correct the text.", i);
            foreach (var label in labels)
            {
                if ((uint)label >= (uint)counts.Length) throw new ArgumentException($"Text {i} has label {label}, which has no name.", nameof(examples));
                counts[label]++;
            }
        }
        var used = counts.Count(count => count > 0);
        if (!multiLabel && used < 2)
            throw new TrainingRefusedException("All texts have the same label; at least two labels are needed to tell apart.");
        if (multiLabel && !counts.Any(count => count > 0 && count < examples.Texts.Count))
            throw new TrainingRefusedException("Every label is on all texts or on none; there is nothing to tell apart.");
    }

    private static ModelSignature Describe(TextExamples examples, bool multiLabel)
    {
        var example = examples.Texts.FirstOrDefault(text => !string.IsNullOrWhiteSpace(text) && text.Length <= ExampleLengthMax);
        var probabilities = new TensorSpec { Name = "probabilities", Datatype = "FP32", Shape = [-1, examples.LabelNames.Count] };
        return new ModelSignature
        {
            Task = multiLabel ? TaskKinds.MultiLabelClassification : TaskKinds.Classification,
            SampleType = DatasetTypes.Text,
            Inputs = [new TensorSpec { Name = "text", Datatype = "BYTES", Shape = [-1], Example = example }],
            Outputs = multiLabel
                ? [probabilities, new TensorSpec { Name = "selected", Datatype = "BOOL", Shape = [-1, examples.LabelNames.Count] }]
                : [new TensorSpec { Name = "label", Datatype = "BYTES", Shape = [-1] }, probabilities],
            Labels = examples.LabelNames,
        };
    }

    private static JsonObject Explain(NgramVocabulary vocabulary, TextCandidate chosen, IReadOnlyList<string> labels)
    {
        var explanation = new JsonObject
        {
            ["characters"] = vocabulary.Alphabet.Size,
            ["words"] = vocabulary.Keys.Words.Length,
            ["wordPairs"] = vocabulary.Keys.Pairs.Length,
            ["characterRuns"] = vocabulary.Keys.Runs.Length,
            ["longestRun"] = vocabulary.LongestRun,
            ["charactersReadPerText"] = TextAlphabet.MaxLength,
            ["settings"] = chosen.Name,
        };
        if (chosen.Thresholds is { } thresholds)
        {
            var byLabel = new JsonObject();
            for (var i = 0; i < thresholds.Length; i++) byLabel[labels[i]] = Math.Round(thresholds[i], 4);
            explanation["thresholds"] = byLabel;
        }
        return explanation;
    }
}
