using System.Globalization;
using System.Text;
using System.Text.Json;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Deployments;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Atoll.Platform.Security;
using Atoll.Prediction;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Einstein;

/// <summary>Says which labels an image or a text has, through the platform's own prediction.</summary>
internal static class PredictLabels
{
    private const int ImageBytesMax = 5 << 20;
    private const int TopOfImages = 5;

    private static readonly TimeSpan DownloadPatience = TimeSpan.FromSeconds(30);

    /// <summary>What the handlers need, taken from the request's services.</summary>
    internal readonly record struct Parts(HttpContext Context, Caller Caller, RouteTable Routes, ServedModels Models, PredictionRunner Runner, UrlDownload Download, PredictionQuota Quota);

    public static async Task<Results<Ok<EinsteinPredictionResponse>, EinsteinRefusal>> HandleImageAsync([AsParameters] Parts parts, CancellationToken cancellationToken)
    {
        var (form, unreadable) = await EinsteinForm.ReadAsync(parts.Context.Request, "sampleContent", ImageBytesMax, null, parts.Caller.TenantId, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        var given = form.Files.Count + (form["sampleLocation"] is null ? 0 : 1) + (form["sampleBase64Content"] is null ? 0 : 1);
        if (given != 1) return (EinsteinRefusal)EinsteinProblems.Invalid("Provide exactly one of sampleContent, sampleLocation and sampleBase64Content.");
        var (plan, missing) = await FindAsync(parts, form, DatasetTypes.Image, cancellationToken);
        if (plan is null) return (EinsteinRefusal)missing!;
        var (image, unloaded) = await ReadImageAsync(form, parts.Download, cancellationToken);
        return image is null ? (EinsteinRefusal)unloaded! : await RunAsync(parts, form, plan, image, TopOfImages, cancellationToken);
    }

    public static async Task<Results<Ok<EinsteinPredictionResponse>, EinsteinRefusal>> HandleTextAsync([AsParameters] Parts parts, CancellationToken cancellationToken)
    {
        var (form, unreadable) = await EinsteinForm.ReadAsync(parts.Context.Request, null, 0, null, parts.Caller.TenantId, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (form["document"] is not { } document) return (EinsteinRefusal)EinsteinProblems.Missing("document", "predict");
        var (plan, missing) = await FindAsync(parts, form, DatasetTypes.Text, cancellationToken);
        return plan is null ? (EinsteinRefusal)missing! : await RunAsync(parts, form, plan, Encoding.UTF8.GetBytes(document), plan.Labels.Count, cancellationToken);
    }

    /// <summary>By the model's id alone, from memory: the platform's model is named after it.</summary>
    private static async Task<Outcome<SamplePlan>> FindAsync(Parts parts, EinsteinForm form, string sampleType, CancellationToken cancellationToken)
    {
        if (form["modelId"] is not { } modelId) return EinsteinProblems.Missing("modelId", "predict");
        var route = EinsteinText.IsId(modelId) ? await parts.Routes.FindAsync(parts.Caller.TenantId, EinsteinModel.ModelOf(modelId), null, cancellationToken) : null;
        if (route is null) return EinsteinProblems.NotFound("model", modelId);
        var plan = SamplePlan.Of(route);
        return route.Signature.SampleType == sampleType && plan.CanRead
            ? plan
            : EinsteinProblems.Invalid($"The model reads {plan.ListName}. Use {(plan.ListName == "images" ? "/v2/vision/predict" : "/v2/language/intent or /v2/language/sentiment")}.");
    }

    private static async Task<Results<Ok<EinsteinPredictionResponse>, EinsteinRefusal>> RunAsync(
        Parts parts, EinsteinForm form, SamplePlan plan, byte[] sample, int top, CancellationToken cancellationToken)
    {
        if (form["numResults"] is { } results)
        {
            if (!int.TryParse(results, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1) return (EinsteinRefusal)EinsteinProblems.Invalid("The numResults parameter must be a number of at least 1.");
            top = number;
        }
        if (await parts.Quota.TakeAsync(parts.Caller.TenantId, parts.Context.Response, cancellationToken) is { } spent) return (EinsteinRefusal)spent;
        using var rented = PredictionWork.Rent();
        var work = rented.Work;
        work.Samples.Begin(1, plan.ListName);
        work.Samples.Add();
        work.Samples.SetText(0, sample);
        work.Top = plan.IsMultiLabel ? plan.Labels.Count : top;
        if (await Predict.RunAsync(parts.Context, plan, parts.Routes, parts.Models, parts.Runner, csv: false, work, cancellationToken) is { } problem) return (EinsteinRefusal)problem;
        var answer = JsonSerializer.Deserialize(work.Answer.Written.Span, AtollJson.Default.PredictResponse)!;
        return TypedResults.Ok(new EinsteinPredictionResponse
        {
            Probabilities = [.. answer.Predictions[0].Labels!.Select(label => new EinsteinProbability(label.Label, label.Probability))],
            SampleId = form["sampleId"],
        });
    }

    private static async Task<Outcome<byte[]>> ReadImageAsync(EinsteinForm form, UrlDownload download, CancellationToken cancellationToken)
    {
        if (form.Files.Count > 0) return form.Files[0].Bytes!;
        if (form["sampleBase64Content"] is { } text)
        {
            // Some clients send it as the address of the data.
            var base64 = text.StartsWith("data:", StringComparison.Ordinal) ? text[(text.IndexOf(',', StringComparison.Ordinal) + 1)..] : text;
            var bytes = new byte[base64.Length];
            if (!Convert.TryFromBase64String(base64, bytes, out var length)) return EinsteinProblems.Invalid("The sampleBase64Content is not base64.");
            return length <= ImageBytesMax ? bytes[..length] : EinsteinProblems.Invalid($"The image is larger than {ImageBytesMax:N0} bytes.");
        }
        var url = form["sampleLocation"]!;
        if (UrlDownload.Check(url) is not null) return EinsteinProblems.Invalid("The sampleLocation is not an address that can be loaded.");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(DownloadPatience);
        try
        {
            return await download.ReadAsync(url, ImageBytesMax, patience.Token);
        }
        catch (JobRefusedException refusal)
        {
            return EinsteinProblems.Invalid($"The image cannot be loaded. {refusal.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return EinsteinProblems.Invalid($"The image was not loaded within {DownloadPatience.TotalSeconds} seconds.");
        }
    }
}
