using Atoll.Contracts;
using Atoll.Platform.Audio;
using Atoll.Serving.Onnx;

namespace Atoll.Training.Evaluation;

/// <summary>Measures a finished model on held-out raw samples, through the same runtime that will serve it.</summary>
internal static class ModelEvaluator
{
    private const int TextsPerBatch = 64;

    // Activations of a network grow with the pixels of a batch; this keeps them in the tens of megabytes.
    private const int PixelsPerBatch = 512 * 512;

    /// <summary>Predicts every text and compares with its labels.</summary>
    public static EvaluationReport Evaluate(
        OnnxSession session, ModelSignature signature, TextExamples examples, CancellationToken cancellationToken)
    {
        var predictions = new LabelPredictions(session, signature, examples.LabelNames, examples.Labels);
        // Texts of like length share a batch, because a batch is as wide as its longest text.
        var order = new int[examples.Texts.Count];
        for (var i = 0; i < order.Length; i++) order[i] = i;
        var byLength = order.OrderBy(i => examples.Texts[i].Length).ToArray();
        foreach (var batch in byLength.Chunk(TextsPerBatch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var texts = new string[batch.Length];
            for (var i = 0; i < texts.Length; i++) texts[i] = examples.Texts[batch[i]];
            using var input = OnnxTensor.FromStrings(texts, texts.Length);
            predictions.Run([input], batch);
        }
        return predictions.ToReport();
    }

    /// <summary>Predicts every image and compares with its labels. Images of one size go through the model together.</summary>
    public static EvaluationReport Evaluate(
        OnnxSession session, ModelSignature signature, ImageExamples examples, CancellationToken cancellationToken)
    {
        var predictions = new LabelPredictions(session, signature, examples.LabelNames, examples.Labels);
        // Pixels wait here until a batch of their size is full; bounded by flushing the fullest size.
        var waiting = new Dictionary<(int Width, int Height), List<(int Index, byte[] Pixels)>>();
        long pixelsWaiting = 0;
        for (var i = 0; i < examples.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var image = examples.Decode(i);
            var size = (image.Width, image.Height);
            if (!waiting.TryGetValue(size, out var group)) waiting[size] = group = [];
            group.Add((i, image.Pixels));
            pixelsWaiting += (long)image.Width * image.Height;
            if ((long)group.Count * image.Width * image.Height >= PixelsPerBatch)
            {
                pixelsWaiting -= Flush(size);
            }
            else if (pixelsWaiting >= 8L * PixelsPerBatch)
            {
                var fullest = waiting.MaxBy(pair => (long)pair.Value.Count * pair.Key.Width * pair.Key.Height).Key;
                pixelsWaiting -= Flush(fullest);
            }
        }
        foreach (var size in waiting.Keys.ToArray())
        {
            cancellationToken.ThrowIfCancellationRequested();
            Flush(size);
        }
        return predictions.ToReport();

        long Flush((int Width, int Height) size)
        {
            waiting.Remove(size, out var group);
            var bytes = size.Width * size.Height * 3;
            using var input = OnnxTensor.Allocate<byte>(group!.Count, size.Height, size.Width, 3);
            var pixels = input.Span<byte>();
            for (var i = 0; i < group.Count; i++) group[i].Pixels.CopyTo(pixels[(i * bytes)..]);
            predictions.Run([input], [.. group.Select(member => member.Index)]);
            return (long)group.Count * size.Width * size.Height;
        }
    }

    /// <summary>Predicts every sound and compares with its label, one after the other because they differ in length.</summary>
    public static EvaluationReport Evaluate(
        OnnxSession session, ModelSignature signature, SoundExamples examples, CancellationToken cancellationToken)
    {
        var predictions = new LabelPredictions(session, signature, examples.LabelNames, examples.Labels);
        for (var i = 0; i < examples.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var clip = examples.Decode(i);
            var samples = Resampler.Resample(clip.Samples, clip.Rate, signature.SampleRate!.Value);
            using var input = OnnxTensor.Create<float>(samples, 1, samples.Length);
            predictions.Run([input], [i]);
        }
        return predictions.ToReport();
    }

    /// <summary>Predicts every row and compares with the target column.</summary>
    public static EvaluationReport Evaluate(
        OnnxSession session, ModelSignature signature, TabularExamples examples, CancellationToken cancellationToken) =>
        Evaluate(new HeldOutTable(session, examples), signature, cancellationToken);

    /// <inheritdoc cref="Evaluate(OnnxSession, ModelSignature, TabularExamples, CancellationToken)"/>
    public static EvaluationReport Evaluate(HeldOutTable table, ModelSignature signature, CancellationToken cancellationToken)
    {
        var (rows, target) = (table.Rows, table.Target);
        if (signature.Task == TaskKinds.Regression)
        {
            if (target.Numbers is null) throw new ArgumentException($"Column '{target.Name}' holds no numbers.", nameof(table));
            var values = new ValuePredictions(table.Session, rows.Length);
            table.Run(rows, (inputs, batch, first) => values.Run(inputs, first, batch.Length), cancellationToken);
            return values.ToReport([.. rows.Select(row => target.Numbers[row])]);
        }

        var names = rows.Select(row => HeldOutTable.TextOf(target, row)!).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        var positions = names.Select((name, i) => (name, i)).ToDictionary(pair => pair.name, pair => pair.i, StringComparer.Ordinal);
        var predictions = new LabelPredictions(table.Session, signature, names, [.. rows.Select(row => new[] { positions[HeldOutTable.TextOf(target, row)!] })]);
        table.Run(rows, (inputs, batch, first) => predictions.Run(inputs, [.. Enumerable.Range(first, batch.Length)]), cancellationToken);
        return predictions.ToReport();
    }
}
