using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Serving.Onnx;

namespace Atoll.Prediction;

/// <summary>Writes what a model gave, from its output tensors into the buffer of the answer, as JSON or as csv.</summary>
/// <remarks>A <see cref="Contracts.PredictResponse"/> says the same in types.</remarks>
internal sealed class PredictionAnswer
{
    private readonly SamplePlan _plan;
    private readonly PredictionWork _work;
    private readonly bool _csv;
    private readonly int _top;

    public PredictionAnswer(SamplePlan plan, PredictionWork work, bool csv)
    {
        _plan = plan;
        _work = work;
        _csv = csv;
        // A csv file is for one answer per row, unless more are asked for.
        _top = Math.Min(work.Top ?? (csv && !plan.IsMultiLabel ? 1 : TopLabels.Default), plan.Labels.Count);
        if (csv) BeginCsv();
        else BeginJson();
    }

    /// <summary>Adds the predictions of samples from <paramref name="first"/> on; null when that went well.</summary>
    public Problem? Add(ReadOnlySpan<OnnxTensor> outputs, OutputPlan where, int first, int count) =>
        _plan.IsRegression ? AddValues(outputs, where, first, count)
        : _plan.IsEntityExtraction ? AddEntities(outputs, where, first, count)
        : AddLabels(outputs, where, first, count);

    public void End()
    {
        if (_csv) return;
        _work.Json.WriteEndArray();
        WriteWarnings(PredictionWarnings.Find(_plan, _work.Samples));
        _work.Json.WriteEndObject();
        _work.Json.Flush();
    }

    private void WriteWarnings(List<PredictionWarning> warnings)
    {
        if (warnings.Count == 0) return;
        var json = _work.Json;
        json.WriteStartArray("warnings"u8);
        foreach (var warning in warnings)
        {
            json.WriteStartObject();
            json.WriteString("code"u8, warning.Code);
            json.WriteString("message"u8, warning.Message);
            json.WriteString("field"u8, warning.Field);
            json.WriteNumber("samples"u8, warning.Samples);
            if (warning.Columns is { } columns)
            {
                json.WriteStartArray("columns"u8);
                foreach (var column in columns) json.WriteStringValue(column);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private void BeginJson()
    {
        var json = _work.Json;
        json.Reset(_work.Answer);
        json.WriteStartObject();
        json.WriteString("model"u8, _plan.Route.Model);
        json.WriteNumber("version"u8, _plan.Route.Version);
        json.WriteStartArray("predictions"u8);
    }

    private void BeginCsv()
    {
        if (_plan.IsRegression)
        {
            _work.Answer.Write("value,lower,upper\n"u8);
            return;
        }
        if (_plan.IsEntityExtraction)
        {
            _work.Answer.Write("entities\n"u8);
            return;
        }
        _work.Answer.Write(_plan.IsMultiLabel ? "selected"u8 : "label,probability"u8);
        for (var i = _plan.IsMultiLabel ? 1 : 2; i <= _top; i++) _work.Answer.Write(Encoding.UTF8.GetBytes($",label_{i},probability_{i}"));
        _work.Answer.Write("\n"u8);
    }

    private Problem? AddValues(ReadOnlySpan<OnnxTensor> outputs, OutputPlan where, int first, int count)
    {
        var values = Read(outputs[where.Value], count, "value");
        var lower = where.Lower < 0 ? default : Read(outputs[where.Lower], count, "lower");
        var upper = where.Upper < 0 ? default : Read(outputs[where.Upper], count, "upper");
        for (var i = 0; i < count; i++)
        {
            if (!float.IsFinite(values[i])) return PredictionProblems.NoNumber(_plan, _work.Samples.PathOf(first + i));
            var hasBounds = !lower.IsEmpty && !upper.IsEmpty && float.IsFinite(lower[i]) && float.IsFinite(upper[i]);
            if (_csv)
            {
                WriteCsv(values[i]);
                _work.Answer.Write(","u8);
                if (hasBounds) WriteCsv(lower[i]);
                _work.Answer.Write(","u8);
                if (hasBounds) WriteCsv(upper[i]);
                _work.Answer.Write("\n"u8);
                continue;
            }
            var json = _work.Json;
            json.WriteStartObject();
            json.WriteNumber("value"u8, values[i]);
            if (hasBounds)
            {
                json.WriteNumber("lower"u8, lower[i]);
                json.WriteNumber("upper"u8, upper[i]);
            }
            _work.Factors?.Write(json, first + i);
            json.WriteEndObject();
        }
        return null;
    }

    private Problem? AddEntities(ReadOnlySpan<OnnxTensor> outputs, OutputPlan where, int first, int count)
    {
        var labels = outputs[where.Label].ToStrings();
        var width = labels.Length / count;
        var probabilities = Read(outputs[where.Probabilities], labels.Length, "probability");
        var starts = outputs[where.Start].Span<long>();
        var ends = outputs[where.End].Span<long>();
        if (labels.Length != count * width || starts.Length != labels.Length || ends.Length != labels.Length)
            throw new InvalidOperationException($"The model gave {labels.Length} labels, {starts.Length} starts and {ends.Length} ends for {count} samples.");
        for (var i = 0; i < count; i++)
        {
            foreach (var probability in probabilities.Slice(i * width, width))
            {
                if (!float.IsFinite(probability)) return PredictionProblems.NoNumber(_plan, _work.Samples.PathOf(first + i));
            }
            var text = new PlaceInText(_work.Samples.Bytes(first + i, 0));
            if (_csv) WriteCsv(ref text, labels.AsSpan(i * width, width), starts.Slice(i * width, width), ends.Slice(i * width, width));
            else WriteJson(ref text, labels.AsSpan(i * width, width), starts.Slice(i * width, width), ends.Slice(i * width, width), probabilities.Slice(i * width, width));
        }
        return null;
    }

    private void WriteJson(ref PlaceInText text, ReadOnlySpan<string> labels, ReadOnlySpan<long> starts, ReadOnlySpan<long> ends, ReadOnlySpan<float> probabilities)
    {
        var json = _work.Json;
        json.WriteStartObject();
        json.WriteStartArray("entities"u8);
        for (var i = 0; i < labels.Length && labels[i].Length > 0; i++)
        {
            json.WriteStartObject();
            json.WriteString("label"u8, labels[i]);
            json.WriteString("text"u8, text.Part(starts[i], ends[i]));
            json.WriteNumber("start"u8, starts[i]);
            json.WriteNumber("end"u8, ends[i]);
            json.WriteNumber("probability"u8, probabilities[i]);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteCsv(ref PlaceInText text, ReadOnlySpan<string> labels, ReadOnlySpan<long> starts, ReadOnlySpan<long> ends)
    {
        var all = new StringBuilder();
        for (var i = 0; i < labels.Length && labels[i].Length > 0; i++)
            all.Append(i == 0 ? "" : "; ").Append(labels[i]).Append('=').Append(Encoding.UTF8.GetString(text.Part(starts[i], ends[i])));
        WriteCsv(all.ToString());
        _work.Answer.Write("\n"u8);
    }

    private Problem? AddLabels(ReadOnlySpan<OnnxTensor> outputs, OutputPlan where, int first, int count)
    {
        var labels = _plan.Labels.Count;
        var probabilities = Read(outputs[where.Probabilities], count * labels, "probabilities");
        var selected = where.Selected < 0 ? default : outputs[where.Selected].Span<bool>();
        if (where.Selected >= 0 && selected.Length != probabilities.Length)
            throw new InvalidOperationException($"The model gave {selected.Length} elements of 'selected' for {count} samples of {labels} labels.");
        var names = where.Label < 0 ? null : NamesOf(outputs[where.Label]);
        if (names is not null && names.Length != count)
            throw new InvalidOperationException($"The model gave {names.Length} labels for {count} samples.");

        var best = ArrayPool<int>.Shared.Rent(Math.Max(labels, 1));
        try
        {
            for (var i = 0; i < count; i++)
            {
                var row = probabilities.Slice(i * labels, labels);
                foreach (var probability in row)
                {
                    if (!float.IsFinite(probability)) return PredictionProblems.NoNumber(_plan, _work.Samples.PathOf(first + i));
                }
                var chosen = selected.IsEmpty ? default : selected.Slice(i * labels, labels);
                var top = best.AsSpan(0, TopOf(chosen));
                TopLabels.Find(row, top);
                if (_csv) WriteCsv(names?[i], row, chosen, top);
                else WriteJson(first + i, names?[i], row, chosen, top);
            }
            return null;
        }
        finally
        {
            ArrayPool<int>.Shared.Return(best);
        }
    }

    // Imported models may number their classes.
    private static string[] NamesOf(OnnxTensor labels) => labels.ElementType == TensorElementType.Int64
        ? Array.ConvertAll(labels.Span<long>().ToArray(), static label => label.ToString(CultureInfo.InvariantCulture))
        : labels.ToStrings();

    // Whoever did not say how many labels to show sees all that were selected.
    private int TopOf(ReadOnlySpan<bool> selected) =>
        _work.Top is null && !_csv ? Math.Max(_top, selected.Count(true)) : _top;

    private void WriteJson(int sample, string? label, ReadOnlySpan<float> probabilities, ReadOnlySpan<bool> selected, ReadOnlySpan<int> top)
    {
        var json = _work.Json;
        json.WriteStartObject();
        if (label is not null)
        {
            // The model's own decision; with a threshold of its own it need not be the most probable label.
            if (_plan.Route.Signature.Labels![top[0]] == label) json.WriteString("label"u8, _plan.Labels[top[0]]);
            else json.WriteString("label"u8, label);
        }
        json.WriteStartArray("labels"u8);
        foreach (var i in top)
        {
            json.WriteStartObject();
            json.WriteString("label"u8, _plan.Labels[i]);
            json.WriteNumber("probability"u8, probabilities[i]);
            if (!selected.IsEmpty) json.WriteBoolean("selected"u8, selected[i]);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        _work.Factors?.Write(json, sample);
        json.WriteEndObject();
    }

    private void WriteCsv(string? label, ReadOnlySpan<float> probabilities, ReadOnlySpan<bool> selected, ReadOnlySpan<int> top)
    {
        var names = _plan.Route.Signature.Labels!;
        if (label is null)
        {
            var all = new List<string>();
            for (var i = 0; i < selected.Length; i++)
            {
                if (selected[i]) all.Add(names[i]);
            }
            WriteCsv(string.Join(';', all));
        }
        else
        {
            WriteCsv(label);
            _work.Answer.Write(","u8);
            var own = names[top[0]] == label ? top[0] : IndexOf(names, label);
            if (own >= 0) WriteCsv(probabilities[own]);
        }
        foreach (var i in label is null ? top : top[1..])
        {
            _work.Answer.Write(","u8);
            WriteCsv(names[i]);
            _work.Answer.Write(","u8);
            WriteCsv(probabilities[i]);
        }
        _work.Answer.Write("\n"u8);
    }

    private void WriteCsv(string text)
    {
        if (text.AsSpan().IndexOfAny(",\"\r\n") >= 0) text = $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        _work.Answer.Advance(Encoding.UTF8.GetBytes(text, _work.Answer.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length))));
    }

    private void WriteCsv(float number)
    {
        const int charsMax = 32;
        Utf8Formatter.TryFormat(number, _work.Answer.GetSpan(charsMax), out var length);
        _work.Answer.Advance(length);
    }

    private static int IndexOf(IReadOnlyList<string> names, string name)
    {
        for (var i = 0; i < names.Count; i++)
        {
            if (names[i] == name) return i;
        }
        return -1;
    }

    private static ReadOnlySpan<float> Read(OnnxTensor tensor, int count, string name)
    {
        var values = tensor.Span<float>();
        return values.Length == count ? values : throw new InvalidOperationException($"The model gave {values.Length} elements of '{name}' where {count} were due.");
    }
}

/// <summary>Finds parts of a UTF-8 text by code points, going forward only.</summary>
internal ref struct PlaceInText(ReadOnlySpan<byte> text)
{
    private readonly ReadOnlySpan<byte> _text = text;
    private long _codePoints;
    private int _bytes;

    /// <param name="start">At or after the end of the part before.</param>
    public ReadOnlySpan<byte> Part(long start, long end)
    {
        var first = Go(start);
        return _text[first..Go(end)];
    }

    private int Go(long codePoint)
    {
        while (_codePoints < codePoint && _bytes < _text.Length)
        {
            Rune.DecodeFromUtf8(_text[_bytes..], out _, out var length);
            _bytes += length;
            _codePoints++;
        }
        return _bytes;
    }
}
