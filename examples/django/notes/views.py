"""The pages of the site."""

import hashlib

from django import forms
from django.http import JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt

from .models import Note

BLOCK = bytes(range(256)) * 256  # 64 KiB
BLOCKS = 800  # 50 MiB


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["text"]


def notes(request):
    """Lists the notes, and takes a new one from the form."""
    form = NoteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("notes")
    return render(request, "notes.html", {"form": form, "notes": Note.objects.order_by("id")})


@csrf_exempt
def upload(request):
    """Answers with the length and digest of the uploaded file."""
    digest, length = hashlib.sha256(), 0
    for block in request.FILES["file"].chunks():
        digest.update(block)
        length += len(block)
    return JsonResponse({"length": length, "sha256": digest.hexdigest()})


def download(request):
    """Streams 50 MiB, block by block."""
    return StreamingHttpResponse((BLOCK for _ in range(BLOCKS)), content_type="application/octet-stream")


def fail(request):
    raise ValueError("this view always fails")
