using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Measures what a model finds in texts: an entity is right when its label, its beginning and its end are.</summary>
internal static class EntityEvaluation
{
    private const int TextsPerBatch = 64;

    /// <summary>Predicts every text and compares with what is marked in it.</summary>
    public static EvaluationReport Evaluate(OnnxSession session, ModelSignature signature, EntityExamples examples, CancellationToken cancellationToken)
    {
        if (examples.Samples.Count == 0) throw new ArgumentException("There are no samples to evaluate on.", nameof(examples));
        IReadOnlyList<string> known = signature.Labels ?? throw new ArgumentException("The model's signature lists no labels.", nameof(signature));
        string[] labels = [.. known, .. examples.Samples.SelectMany(sample => sample.Entities).Select(entity => entity.Label).Distinct().Except(known).Order(StringComparer.Ordinal)];
        var positions = labels.Select((label, i) => (label, i)).ToDictionary(pair => pair.label, pair => pair.i, StringComparer.Ordinal);
        var counts = new LabelCounts[labels.Length];

        // Texts of like length share a batch, because a batch is as wide as its longest text.
        foreach (var batch in examples.Samples.OrderBy(sample => sample.Text.Length).Chunk(TextsPerBatch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var found = Find(session, [.. batch.Select(sample => sample.Text)]);
            for (var i = 0; i < batch.Length; i++)
            {
                foreach (var entity in batch[i].Entities) counts[positions[entity.Label]].Actual++;
                foreach (var entity in found[i])
                {
                    if (!positions.TryGetValue(entity.Label, out var label))
                        throw new InvalidOperationException($"The model gave the label '{entity.Label}', which its signature does not list.");
                    counts[label].Predicted++;
                    if (batch[i].Entities.Contains(entity)) counts[label].TruePositives++;
                }
            }
        }

        var metrics = new SortedDictionary<string, double>(StringComparer.Ordinal);
        LabelCounts.AddMicro(counts, metrics);
        return new EvaluationReport
        {
            Task = TaskKinds.EntityExtraction,
            SampleCount = examples.Samples.Count,
            Metrics = metrics,
            Labels = labels,
            PerLabel = LabelCounts.ToTable(counts, labels),
        };
    }

    /// <summary>What a model finds in each text.</summary>
    public static List<EntitySpan>[] Find(OnnxSession session, IReadOnlyList<string> texts)
    {
        using var input = OnnxTensor.FromStrings(texts, texts.Count);
        var outputs = session.Run(input);
        try
        {
            var labels = outputs[Outputs.Find(session, "label")].ToStrings();
            var starts = outputs[Outputs.Find(session, "start")].Span<long>();
            var ends = outputs[Outputs.Find(session, "end")].Span<long>();
            var width = labels.Length / texts.Count;
            var found = new List<EntitySpan>[texts.Count];
            for (var text = 0; text < found.Length; text++)
            {
                found[text] = [];
                for (var i = text * width; i < (text + 1) * width && labels[i].Length > 0; i++)
                    found[text].Add(new EntitySpan((int)starts[i], (int)ends[i], labels[i]));
            }
            return found;
        }
        finally
        {
            foreach (var output in outputs) output.Dispose();
        }
    }
}
