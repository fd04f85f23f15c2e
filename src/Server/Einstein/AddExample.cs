using System.Text;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Imaging;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>Adds a single example to a dataset, or feeds back what a model should have said.</summary>
internal static class AddExample
{
    private const int BytesMax = 1 << 20;
    private const int NameCharsMax = 180;

    /// <summary>What the handlers need, taken from the request's services.</summary>
    internal readonly record struct Parts(HttpContext Context, Caller Caller, PlatformDb Db, BlobStore Blobs, OwnAddress Own, TimeProvider Clock);

    public static async Task<Results<Ok<EinsteinExampleResponse>, EinsteinRefusal>> HandleAsync(string datasetId, [AsParameters] Parts parts, CancellationToken cancellationToken)
    {
        var (form, unreadable) = await ReadAsync(parts, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (await DescribeDataset.FindAsync(datasetId, parts.Db, parts.Blobs, cancellationToken) is not { } known) return (EinsteinRefusal)EinsteinProblems.NotFound("dataset", datasetId);
        if (form["name"] is null) return (EinsteinRefusal)EinsteinProblems.Missing("name", "create an example");
        if (form["labelId"] is not { } labelId) return (EinsteinRefusal)EinsteinProblems.Missing("labelId", "create an example");
        return known.Labels.FirstOrDefault(label => $"{label.Id}" == labelId) is { } found
            ? await RunAsync(known, found.Name, form, isFeedback: false, parts, cancellationToken)
            : (EinsteinRefusal)EinsteinProblems.NotFound("label", labelId);
    }

    public static async Task<Results<Ok<EinsteinExampleResponse>, EinsteinRefusal>> HandleFeedbackAsync([AsParameters] Parts parts, CancellationToken cancellationToken)
    {
        var (form, unreadable) = await ReadAsync(parts, cancellationToken);
        if (form is null) return (EinsteinRefusal)unreadable!;
        if (form["modelId"] is not { } modelId) return (EinsteinRefusal)EinsteinProblems.Missing("modelId", "give feedback");
        if (await DescribeModel.FindAsync(modelId, parts.Db, cancellationToken) is not { } model) return (EinsteinRefusal)EinsteinProblems.NotFound("model", modelId);
        if (await DescribeDataset.FindAsync($"{model.DatasetNumber}", parts.Db, parts.Blobs, cancellationToken) is not { } known)
            return (EinsteinRefusal)EinsteinProblems.Invalid("The dataset of the model was deleted.");
        if (form["expectedLabel"] is not { } label) return (EinsteinRefusal)EinsteinProblems.Missing("expectedLabel", "give feedback");
        return known.Labels.Any(one => one.Name == label)
            ? await RunAsync(known, label, form, isFeedback: true, parts, cancellationToken)
            : (EinsteinRefusal)EinsteinProblems.LabelUnknown(label);
    }

    private static Task<Outcome<EinsteinForm>> ReadAsync(Parts parts, CancellationToken cancellationToken) =>
        EinsteinForm.ReadAsync(parts.Context.Request, "data", BytesMax, null, parts.Caller.TenantId, cancellationToken);

    private static async Task<Results<Ok<EinsteinExampleResponse>, EinsteinRefusal>> RunAsync(
        KnownDataset known, string label, EinsteinForm form, bool isFeedback, Parts parts, CancellationToken cancellationToken)
    {
        if (known.IsBusy) return (EinsteinRefusal)EinsteinProblems.DatasetBusy();
        var isVision = EinsteinTypes.IsVision(known.Row.Type);
        var bytes = isVision ? form.Files.FirstOrDefault()?.Bytes : form["document"] is { } document ? Encoding.UTF8.GetBytes(document) : null;
        if (bytes is null) return (EinsteinRefusal)EinsteinProblems.Missing(isVision ? "data" : "document", "add an example");
        if (isVision && Check(bytes) is { } unfit) return (EinsteinRefusal)unfit;
        var name = isVision ? form["name"] ?? form.Files[0].Name : known.Row.Type;
        if (name.Length > NameCharsMax) return (EinsteinRefusal)EinsteinProblems.NameTooLong(NameCharsMax);

        var stored = await parts.Blobs.WriteAsync(parts.Caller.TenantId, bytes, cancellationToken);
        var example = new EinsteinExample
        {
            DatasetNumber = known.Row.Number,
            Label = label,
            Name = isVision ? string.Concat(name.Where(c => !char.IsControl(c) && c is not ('/' or '\\'))) : name,
            Digest = stored.Digest,
            IsFeedback = isFeedback,
            CreatedUtc = parts.Clock.GetUtcNow().UtcDateTime,
        };
        await using (var transaction = await parts.Db.Database.BeginTransactionAsync(cancellationToken))
        {
            example.Number = (await parts.Db.EinsteinExamples().MaxAsync(other => (long?)other.Number, cancellationToken) ?? EinsteinExample.NumberFirst - 1) + 1;
            parts.Db.EinsteinExamples().Add(example);
            await parts.Db.SaveChangesAsync(cancellationToken);
            await transaction.CommitAsync(CancellationToken.None);
        }
        var now = await DescribeDataset.ReadAsync(known.Row, parts.Db, parts.Blobs, cancellationToken);
        return TypedResults.Ok(await ListExamples.ToWireAsync(example, now, parts.Own.Of(parts.Context), parts.Blobs, cancellationToken));
    }

    private static Problem? Check(byte[] image)
    {
        try
        {
            ImageDecoder.Verify(image);
            return null;
        }
        catch (ImageFormatException refusal)
        {
            return EinsteinProblems.Invalid($"The image cannot be used. {refusal.Message}");
        }
    }
}
